//! The plans directly below an operation, each with how it is evaluated.

use crate::compile::plan::{Clause, Construct, Key, Naming, Op, Plan, Predicate, Step, Update, WindowCondition};

/// How often, and under which focus, a part is evaluated each time the whole is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// At most once, under the same focus.
    Once,
    /// Any number of times, under the same focus.
    Repeated,
    /// Any number of times, under a focus of its own.
    Focus,
    /// At most once, under the same focus, and its errors are caught.
    Caught,
}

macro_rules! walker {
    ($(#[$doc:meta])* $name:ident, $predicate:ident, $clause:ident, $window:ident, $construct:ident, $($m:tt)?) => {
        $(#[$doc])*
        pub(crate) fn $name(op: &$($m)? Op, f: &mut dyn FnMut(&$($m)? Plan, Scope)) {
            use Scope::{Caught, Focus, Once, Repeated};
            match op {
                Op::Const(_)
                | Op::Local(_)
                | Op::Global(_)
                | Op::ContextItem
                | Op::Position
                | Op::Last
                | Op::Root
                | Op::FunctionRef(_)
                | Op::Closure(..)
                | Op::Fail(..) => {}
                Op::Sequence(parts)
                | Op::Or(parts)
                | Op::And(parts)
                | Op::Concat(parts)
                | Op::Join(parts)
                | Op::Set(_, parts)
                | Op::CallBuiltin(_, parts, _)
                | Op::CallUser(_, parts)
                | Op::TailCall(parts)
                | Op::SquareArray(parts) => {
                    for part in parts {
                        f(part, Once);
                    }
                }
                Op::Not(a)
                | Op::Boolean(a)
                | Op::Exists(a, _)
                | Op::Count(a)
                | Op::Sign(_, a)
                | Op::InstanceOf(a, _)
                | Op::TreatAs(a, _)
                | Op::Cast(a, ..)
                | Op::CurlyArray(a)
                | Op::Memo(_, _, _, a) => f(a, Once),
                Op::Castable(a, ..) | Op::CastList(a, ..) => f(a, Caught),
                Op::Let(_, _, a, b)
                | Op::ValueCompare(_, a, b, _)
                | Op::GeneralCompare(_, a, b, _)
                | Op::NodeCompare(_, a, b)
                | Op::Range(a, b)
                | Op::Arithmetic(_, a, b)
                | Op::TextTest(_, a, b) => {
                    f(a, Once);
                    f(b, Once);
                }
                Op::SimpleMap(a, b) => {
                    f(a, Once);
                    f(b, Focus);
                }
                Op::If(a, b, c) => {
                    f(a, Once);
                    f(b, Once);
                    f(c, Once);
                }
                Op::Flwor(clauses, result) | Op::Quantified(_, clauses, result) => {
                    let mut scope = Once;
                    for clause in clauses {
                        $clause(clause, scope, f);
                        if !matches!(clause, Clause::Let { .. } | Clause::Where(_)) {
                            scope = Repeated;
                        }
                    }
                    f(result, scope);
                }
                Op::Switch(operand, cases, default, _) => {
                    f(operand, Once);
                    for (operands, result) in cases {
                        for operand in operands {
                            f(operand, Once);
                        }
                        f(result, Once);
                    }
                    f(default, Once);
                }
                Op::Typeswitch(operand, cases, _, default) => {
                    f(operand, Once);
                    for (_, _, result) in cases {
                        f(result, Once);
                    }
                    f(default, Once);
                }
                Op::Try(body, catches) => {
                    f(body, Caught);
                    for clause in catches {
                        f(&$($m)? clause.body, Caught);
                    }
                }
                Op::Filter(base, predicates) => {
                    f(base, Once);
                    for predicate in predicates {
                        $predicate(predicate, f);
                    }
                }
                Op::Path(base, steps) => {
                    if let Some(base) = base {
                        f(base, Once);
                    }
                    for step in steps {
                        match step {
                            Step::Each(plan) => f(plan, Focus),
                            Step::Axis { predicates, .. } | Step::Route(_, predicates) => {
                                for predicate in predicates {
                                    $predicate(predicate, f);
                                }
                            }
                        }
                    }
                }
                Op::CallDynamic(function, args) => {
                    f(function, Once);
                    #[allow(clippy::manual_flatten, reason = "the list is shared or exclusive")]
                    for arg in args {
                        if let Some(arg) = arg {
                            f(arg, Once);
                        }
                    }
                }
                Op::Map(entries) => {
                    for (key, value) in entries {
                        f(key, Once);
                        f(value, Once);
                    }
                }
                Op::Lookup(base, key) => {
                    f(base, Once);
                    if let Key::Values(key) = key {
                        f(key, Once);
                    }
                }
                Op::Construct(construct, _) => $construct(construct, f),
                Op::Update(update, _) => match &$($m)? **update {
                    Update::Insert(a, _, b)
                    | Update::ReplaceNode(a, b)
                    | Update::ReplaceValue(a, b)
                    | Update::Rename(a, b) => {
                        f(a, Once);
                        f(b, Once);
                    }
                    Update::Delete(a) => f(a, Once),
                    // A copy is one tree before it is modified and another one afterwards.
                    Update::CopyModify(copies, modify, result) => {
                        for (_, source) in copies {
                            f(source, Once);
                        }
                        f(modify, Caught);
                        f(result, Caught);
                    }
                    Update::Transform(a, modify) => {
                        f(a, Once);
                        f(modify, Focus);
                    }
                    Update::Invoke(function, args) => {
                        f(function, Once);
                        for arg in args {
                            f(arg, Once);
                        }
                    }
                },
            }
        }

        fn $predicate(predicate: &$($m)? Predicate, f: &mut dyn FnMut(&$($m)? Plan, Scope)) {
            match predicate {
                Predicate::Position(_) | Predicate::Last => {}
                Predicate::Condition(plan) | Predicate::General(plan) => f(plan, Scope::Focus),
                // The value has no focus of its own, but it is written, and may be evaluated, inside.
                Predicate::Lookup { value, condition, .. } => {
                    f(value, Scope::Focus);
                    f(condition, Scope::Focus);
                }
            }
        }

        fn $clause(clause: &$($m)? Clause, scope: Scope, f: &mut dyn FnMut(&$($m)? Plan, Scope)) {
            match clause {
                Clause::For { input, .. } => f(input, scope),
                Clause::Let { value, .. } => f(value, scope),
                Clause::Where(condition) => f(condition, scope),
                Clause::Count(_) => {}
                Clause::OrderBy { keys, .. } => {
                    for key in keys {
                        f(&$($m)? key.key, scope);
                    }
                }
                Clause::GroupBy { keys, .. } => {
                    for key in keys {
                        f(&$($m)? key.value, scope);
                    }
                }
                Clause::Window(window) => {
                    f(&$($m)? window.input, scope);
                    $window(&$($m)? window.start, f);
                    if let Some(end) = &$($m)? window.end {
                        $window(end, f);
                    }
                }
                Clause::Join(join) => {
                    f(&$($m)? join.input, scope);
                    f(&$($m)? join.probe, scope);
                    f(&$($m)? join.key, Scope::Repeated);
                    f(&$($m)? join.condition, Scope::Repeated);
                }
            }
        }

        fn $window(condition: &$($m)? WindowCondition, f: &mut dyn FnMut(&$($m)? Plan, Scope)) {
            f(&$($m)? condition.when, Scope::Repeated);
        }

        fn $construct(construct: &$($m)? Construct, f: &mut dyn FnMut(&$($m)? Plan, Scope)) {
            match construct {
                Construct::Element { name, attributes, content, .. } => {
                    if let Naming::Computed(name) = name {
                        f(name, Scope::Once);
                    }
                    for (_, value) in attributes {
                        f(value, Scope::Once);
                    }
                    for part in content {
                        f(part, Scope::Once);
                    }
                }
                Construct::Literal(_) => {}
                Construct::Text(content) | Construct::Comment(content) | Construct::Document(content) => {
                    f(content, Scope::Once);
                }
                Construct::Attribute(name, content)
                | Construct::Pi(name, content)
                | Construct::Namespace(name, content) => {
                    if let Naming::Computed(name) = name {
                        f(name, Scope::Once);
                    }
                    f(content, Scope::Once);
                }
            }
        }
    };
}

walker!(
    /// Calls `f` with every plan directly below.
    children,
    predicate_children,
    clause_children,
    window_children,
    construct_children,
);
walker!(
    /// Calls `f` with every plan directly below, to be changed.
    children_mut,
    predicate_children_mut,
    clause_children_mut,
    window_children_mut,
    construct_children_mut,
    mut
);
