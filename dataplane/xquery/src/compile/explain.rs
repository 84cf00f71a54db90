//! Plans for people: the tree of operations after the rewrites, and the rewrites that fired.

use super::plan::{Clause, Construct, FocusUse, Naming, Op, Plan, Predicate, Program, Route, Step, StepTest, TextTest};
use super::rewrite::children;
use phoenixmldb_xdm::types::{KindTest, NameTest};
use phoenixmldb_xdm::{Item, Sequence};
use std::fmt::Write;

/// Writes a program as an indented tree.
pub(crate) fn explain(program: &Program) -> String {
    let mut out = Printer(String::new());
    for (index, global) in program.globals.iter().enumerate() {
        if let Some((value, _)) = &global.value {
            out.line(0, &format!("global {index} ${}", global.name.lexical()));
            out.plan(value, 1);
        }
    }
    for (index, function) in program.functions.iter().enumerate() {
        if let (Some(name), Some(body)) = (&function.name, &function.body) {
            out.line(0, &format!("function {index} {}#{}", name.lexical(), function.params.len()));
            out.plan(body, 1);
        }
    }
    out.line(0, "body");
    out.plan(&program.body, 1);
    out.line(0, "rewrites");
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for rewrite in &program.optimized.rewrites {
        match counted.iter_mut().find(|(known, _)| known == rewrite) {
            Some((_, times)) => *times += 1,
            None => counted.push((rewrite, 1)),
        }
    }
    if counted.is_empty() {
        out.line(1, "none");
    }
    for (rewrite, times) in counted {
        out.line(1, &if times == 1 { rewrite.to_owned() } else { format!("{rewrite} ({times} times)") });
    }
    out.0
}

struct Printer(String);

impl Printer {
    fn line(&mut self, depth: usize, text: &str) {
        writeln!(self.0, "{:width$}{text}", "", width = depth * 2).expect("writing to memory does not fail");
    }

    fn plan(&mut self, plan: &Plan, depth: usize) {
        let (red, segment) = (crate::limits::STACK_RED_ZONE_BYTES, crate::limits::STACK_SEGMENT_BYTES);
        stacker::maybe_grow(red, segment, || self.op(&plan.op, depth));
    }

    fn op(&mut self, op: &Op, depth: usize) {
        match op {
            Op::Flwor(clauses, result) => {
                self.line(depth, "flwor");
                self.clauses(clauses, depth + 1);
                self.line(depth + 1, "return");
                self.plan(result, depth + 2);
            }
            Op::Quantified(every, clauses, condition) => {
                self.line(depth, if *every { "every" } else { "some" });
                self.clauses(clauses, depth + 1);
                self.line(depth + 1, "satisfies");
                self.plan(condition, depth + 2);
            }
            Op::Path(base, steps) => {
                self.line(depth, "path");
                match base {
                    Some(base) => self.plan(base, depth + 1),
                    None => self.line(depth + 1, "context item"),
                }
                for step in steps {
                    self.step(step, depth + 1);
                }
            }
            Op::Filter(base, predicates) => {
                self.line(depth, "filter");
                self.plan(base, depth + 1);
                self.predicates(predicates, depth + 1);
            }
            Op::Construct(construct, _) => {
                self.line(depth, &constructor(construct));
                if let Construct::Element { attributes, content, .. } = &**construct {
                    for (name, value) in attributes {
                        self.line(depth + 1, &format!("attribute {}", name.lexical()));
                        self.plan(value, depth + 2);
                    }
                    for part in content {
                        self.plan(part, depth + 1);
                    }
                    return;
                }
                children(op, &mut |child, _| self.plan(child, depth + 1));
            }
            other => {
                self.line(depth, &label(other));
                children(other, &mut |child, _| self.plan(child, depth + 1));
            }
        }
    }

    fn clauses(&mut self, clauses: &[Clause], depth: usize) {
        for clause in clauses {
            match clause {
                Clause::For { slot, input, .. } => {
                    self.line(depth, &format!("for ${slot}"));
                    self.plan(input, depth + 1);
                }
                Clause::Let { slot, value, .. } => {
                    self.line(depth, &format!("let ${slot}"));
                    self.plan(value, depth + 1);
                }
                Clause::Where(condition) => {
                    self.line(depth, "where");
                    self.plan(condition, depth + 1);
                }
                Clause::Count(slot) => self.line(depth, &format!("count ${slot}")),
                Clause::OrderBy { keys, .. } => {
                    self.line(depth, "order by");
                    for key in keys {
                        self.plan(&key.key, depth + 1);
                    }
                }
                Clause::GroupBy { keys, .. } => {
                    self.line(depth, "group by");
                    for key in keys {
                        self.plan(&key.value, depth + 1);
                    }
                }
                Clause::Window(window) => {
                    self.line(depth, &format!("window ${}", window.slot));
                    self.plan(&window.input, depth + 1);
                }
                Clause::Join(join) => {
                    self.line(depth, &format!("join ${} where probe {:?} key", join.slot, join.op));
                    self.line(depth + 1, "input");
                    self.plan(&join.input, depth + 2);
                    self.line(depth + 1, "probe");
                    self.plan(&join.probe, depth + 2);
                    self.line(depth + 1, "key");
                    self.plan(&join.key, depth + 2);
                }
            }
        }
    }

    fn step(&mut self, step: &Step, depth: usize) {
        match step {
            Step::Axis { axis, test, predicates } => {
                self.line(depth, &format!("step {axis:?}::{}", spelled(test)));
                self.predicates(predicates, depth + 1);
            }
            Step::Each(plan) => {
                self.line(depth, "each");
                self.plan(plan, depth + 1);
            }
            Step::Route(route, predicates) => {
                self.line(depth, &format!("route {}", way(route)));
                self.predicates(predicates, depth + 1);
            }
        }
    }

    fn predicates(&mut self, predicates: &[Predicate], depth: usize) {
        for predicate in predicates {
            match predicate {
                Predicate::Position(n) => self.line(depth, &format!("position {n}")),
                Predicate::Last => self.line(depth, "last"),
                Predicate::Condition(plan) => {
                    self.line(depth, "condition");
                    self.plan(plan, depth + 1);
                }
                Predicate::General(plan) => {
                    self.line(depth, "condition or position");
                    self.plan(plan, depth + 1);
                }
                Predicate::Lookup { route, value, .. } => {
                    self.line(depth, &format!("lookup by value of {}", way(route)));
                    self.plan(value, depth + 1);
                }
            }
        }
    }
}

fn way(route: &Route) -> String {
    let steps: Vec<String> = route.steps.iter().map(|(axis, test)| format!("{axis:?}::{}", spelled(test))).collect();
    steps.join("/")
}

fn spelled(test: &StepTest) -> String {
    match test {
        StepTest::Name(NameTest::Name(name)) => name.to_string(),
        StepTest::Name(NameTest::Any) => "*".to_owned(),
        StepTest::Name(other) => format!("{other:?}"),
        StepTest::Kind(KindTest::Node) => "node()".to_owned(),
        StepTest::Kind(KindTest::Text) => "text()".to_owned(),
        StepTest::Kind(other) => format!("{other:?}"),
    }
}

fn constructor(construct: &Construct) -> String {
    let named = |kind: &str, name: &Naming| match name {
        Naming::Fixed(name) => format!("construct {kind} {}", name.lexical()),
        Naming::Computed(_) => format!("construct {kind} with a computed name"),
    };
    match construct {
        Construct::Element { name, .. } => named("element", name),
        Construct::Attribute(name, _) => named("attribute", name),
        Construct::Pi(name, _) => named("processing instruction", name),
        Construct::Namespace(name, _) => named("namespace", name),
        Construct::Text(_) => "construct text".to_owned(),
        Construct::Literal(text) => format!("literal {:?}", &**text),
        Construct::Comment(_) => "construct comment".to_owned(),
        Construct::Document(_) => "construct document".to_owned(),
    }
}

/// One line for an operation whose parts are printed below it.
fn label(op: &Op) -> String {
    let fixed = match op {
        Op::ContextItem => "context item",
        Op::Position => "position",
        Op::Last => "last",
        Op::Root => "root",
        Op::Sequence(_) => "sequence",
        Op::If(..) => "if",
        Op::Switch(..) => "switch",
        Op::Typeswitch(..) => "typeswitch",
        Op::Try(..) => "try",
        Op::Or(_) => "or",
        Op::And(_) => "and",
        Op::Not(_) => "not",
        Op::Boolean(_) => "boolean",
        Op::Exists(_, true) => "exists",
        Op::Exists(_, false) => "empty",
        Op::Count(_) => "count",
        Op::Range(..) => "range",
        Op::Concat(_) => "concatenate",
        Op::Join(_) => "join texts",
        Op::SimpleMap(..) => "map",
        Op::InstanceOf(..) => "instance of",
        Op::TreatAs(..) => "treat as",
        Op::TailCall(_) => "tail call",
        Op::CallDynamic(..) => "call a function item",
        Op::FunctionRef(_) => "function item",
        Op::Closure(..) => "inline function",
        Op::Map(_) => "new map",
        Op::SquareArray(_) | Op::CurlyArray(_) => "new array",
        Op::Lookup(..) => "lookup",
        Op::Update(..) => "update",
        Op::TextTest(TextTest::Contains, ..) => "contains, by codepoints",
        Op::TextTest(TextTest::StartsWith, ..) => "starts with, by codepoints",
        Op::TextTest(TextTest::EndsWith, ..) => "ends with, by codepoints",
        _ => "",
    };
    match op {
        Op::Const(value) => format!("constant {}", shown(value)),
        Op::Local(slot) => format!("${slot}"),
        Op::Global(index) => format!("global {index}"),
        Op::Let(slot, ..) => format!("let ${slot}"),
        Op::ValueCompare(op, ..) => format!("compare values {op:?}"),
        Op::GeneralCompare(op, ..) => format!("compare {op:?}"),
        Op::NodeCompare(op, ..) => format!("compare nodes {op:?}"),
        Op::Arithmetic(op, ..) => format!("calculate {op:?}"),
        Op::Sign(minus, _) => (if *minus { "minus" } else { "plus" }).to_owned(),
        Op::Set(op, _) => format!("{op:?}").to_lowercase(),
        Op::Cast(_, target, ..) | Op::CastList(_, target, ..) => format!("cast to {target}"),
        Op::Castable(_, target, ..) => format!("castable to {target}"),
        Op::CallBuiltin(builtin, ..) => format!("call {}", builtin.entry.local),
        Op::CallUser(index, _) => format!("call function {index}"),
        Op::Fail(code, _) => format!("error {code}"),
        Op::Memo(_, slots, focus, _) => {
            let mut on: Vec<String> = slots.iter().map(|slot| format!("${slot}")).collect();
            match focus {
                FocusUse::No => {}
                FocusUse::Root => on.push("the document".to_owned()),
                FocusUse::Item => on.push("the context item".to_owned()),
            }
            if on.is_empty() { "remember".to_owned() } else { format!("remember per {}", on.join(", ")) }
        }
        _ => fixed.to_owned(),
    }
}

fn shown(value: &Sequence) -> String {
    let first = |item: Option<Item>| match item {
        Some(Item::Atomic(atomic)) => format!("{} {:?}", atomic.type_of(), &*atomic.to_str()),
        Some(_) => "an item".to_owned(),
        None => "()".to_owned(),
    };
    match value.len() {
        0 | 1 => first(value.first()),
        several => format!("{several} items"),
    }
}
