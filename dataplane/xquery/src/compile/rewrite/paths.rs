//! Routes: downward steps that the path summary answers at once, and predicates that look a value up.
//!
//! `/site/people/person[@id = $x]/name` is one route to `person`, a lookup by value in the paths to its `@id`, and one
//! route to `name`. A position counts from each context node, so a step with one keeps to itself.

use super::facts::facts;
use super::{Rewriter, bottom_up};
use crate::compile::plan::{FocusUse, Op, Plan, Predicate, Route, Step, StepTest};
use phoenixmldb_xdm::atomic::compare;
use phoenixmldb_xdm::axes::Axis;
use phoenixmldb_xdm::types::{KindTest, NameTest};

impl Rewriter {
    pub(super) fn paths(&mut self, plan: &mut Plan) {
        bottom_up(plan, &mut |plan| {
            if let Op::Path(_, steps) = &mut plan.op {
                *steps = self.routes(std::mem::take(steps));
            }
        });
    }

    fn routes(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut routed = Vec::with_capacity(steps.len());
        let mut pending: Vec<(Axis, StepTest)> = Vec::new();
        for step in steps {
            match step {
                Step::Axis { axis, test, predicates } if is_routable(axis, &test) => {
                    let counts = predicates.iter().any(|p| !matches!(p, Predicate::Condition(_)));
                    if counts {
                        self.finish(&mut pending, &mut routed, Vec::new());
                    }
                    pending.push((axis, test));
                    if !predicates.is_empty() {
                        let predicates = predicates.into_iter().map(|predicate| self.lookup(predicate)).collect();
                        self.finish(&mut pending, &mut routed, predicates);
                    }
                }
                other => {
                    self.finish(&mut pending, &mut routed, Vec::new());
                    routed.push(other);
                }
            }
        }
        self.finish(&mut pending, &mut routed, Vec::new());
        routed
    }

    fn finish(&mut self, pending: &mut Vec<(Axis, StepTest)>, routed: &mut Vec<Step>, predicates: Vec<Predicate>) {
        if pending.is_empty() {
            return;
        }
        if pending.len() > 1 {
            self.note(format!("{} steps became one route through the path summary", pending.len()));
        }
        routed.push(Step::Route(self.route(std::mem::take(pending)), predicates));
    }

    fn route(&mut self, steps: Vec<(Axis, StepTest)>) -> Route {
        let id = self.done.routes;
        self.done.routes += 1;
        Route { id, steps }
    }

    fn lookup(&mut self, predicate: Predicate) -> Predicate {
        let Predicate::Condition(condition) = predicate else { return predicate };
        let Some((steps, value)) = looked_up(&condition) else { return Predicate::Condition(condition) };
        self.note("a comparison in a predicate became a lookup by value");
        Predicate::Lookup { route: self.route(steps), value, condition }
    }
}

/// The step to the key and the value it is compared with.
fn looked_up(condition: &Plan) -> Option<(Vec<(Axis, StepTest)>, Plan)> {
    let (left, right, general) = match &condition.op {
        Op::GeneralCompare(compare::Op::Eq, left, right, None) => (left, right, true),
        Op::ValueCompare(compare::Op::Eq, left, right, None) => (left, right, false),
        _ => return None,
    };
    let key = |plan: &Plan| match &plan.op {
        Op::Path(None, steps) => match &steps[..] {
            [Step::Route(route, predicates)] if predicates.is_empty() => match &route.steps[..] {
                // Several children are an error of a value comparison, and there is at most one attribute of a name.
                [(Axis::Attribute, StepTest::Name(NameTest::Name(_)))] => Some(route.steps.clone()),
                [(Axis::Child, StepTest::Name(NameTest::Name(_)))] if general => Some(route.steps.clone()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let fixed = |plan: &Plan| {
        let found = facts(plan);
        found.focus == FocusUse::No && !found.fixed
    };
    match (key(left), key(right)) {
        (Some(steps), _) if fixed(right) => Some((steps, Plan::clone(right))),
        (_, Some(steps)) if fixed(left) => Some((steps, Plan::clone(left))),
        _ => None,
    }
}

/// Whether kind and name alone decide a step, going down.
fn is_routable(axis: Axis, test: &StepTest) -> bool {
    let down =
        matches!(axis, Axis::Child | Axis::Descendant | Axis::DescendantOrSelf | Axis::Attribute | Axis::SelfNode);
    down && !matches!(test, StepTest::Kind(KindTest::Document(Some(_))))
}
