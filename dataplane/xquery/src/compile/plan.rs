//! The compiled form of a query: names resolved, variables in slots, static errors gone.
//!
//! ```text
//!  Program ─┬─ body, globals, functions ─► Plan ─► Op
//!           └─ modules: texts, for line and column
//! ```
//!
//! Immutable and shared. Functions are referred to by index, so that recursion makes no cycle of references.

use crate::context::StaticContext;
use crate::functions::signature::FunctionEntry;
use crate::stack::for_tree;
use crate::syntax::ast::{InsertPosition, Span};
use phoenixmldb_xdm::atomic::{arithmetic, compare};
use phoenixmldb_xdm::axes::Axis;
use phoenixmldb_xdm::function::Signature;
use phoenixmldb_xdm::types::{KindTest, NameTest, SequenceType};
use phoenixmldb_xdm::{AtomicType, QName, Sequence, Str};
use std::sync::Arc;

/// Place of a local variable in the frame of its function.
pub type Slot = usize;

/// A compiled query.
#[derive(Debug)]
pub struct Program {
    /// The query body.
    pub body: Plan,
    /// Slots of the body.
    pub slots: usize,
    /// Declared variables of all modules.
    pub globals: Vec<Global>,
    /// Declared functions of all modules.
    pub functions: Vec<Arc<FunctionPlan>>,
    /// Type of the context item and its default, when declared.
    pub context_item: Option<ContextItem>,
    /// Static context of the main module.
    pub context: Arc<StaticContext>,
    /// Whether the body can give pending updates.
    pub updating: bool,
    /// URI and text of every module; the main module first.
    pub modules: Vec<(Option<Str>, Str)>,
    /// What the rewrites made of it.
    pub optimized: Optimized,
}

impl Drop for Program {
    fn drop(&mut self) {
        let body = std::mem::replace(&mut self.body.op, Op::Root);
        let rest = (std::mem::take(&mut self.globals), std::mem::take(&mut self.functions), self.context_item.take());
        for_tree(|| drop((body, rest)));
    }
}

/// What the rewrites left behind: how many places remember something while the query runs, and what was done.
#[derive(Debug, Default, Clone)]
pub struct Optimized {
    /// Routes.
    pub routes: usize,
    /// Remembered values.
    pub memos: usize,
    /// Joins.
    pub joins: usize,
    /// Rewrites that fired, in order, one sentence each.
    pub rewrites: Vec<String>,
}

/// Downward steps without predicates between them, answered by the path summary of a tree where it has one.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its place among those that remember where they were.
    pub id: usize,
    /// Axis and test, from the context node on.
    pub steps: Vec<(Axis, StepTest)>,
}

/// `for $slot in input where probe op key`: per outer tuple the items whose key matches, by table rather than by loop.
#[derive(Debug, Clone)]
pub struct Join {
    /// Its place among the tables.
    pub id: usize,
    /// The variable.
    pub slot: Slot,
    /// What is iterated; the table is kept as long as it stays the same.
    pub input: Plan,
    /// Depends on the variable alone.
    pub key: Plan,
    /// Does not depend on the variable.
    pub probe: Plan,
    /// How the probe is compared with the key.
    pub op: compare::Op,
    /// A general comparison (`=`) rather than a value comparison (`eq`).
    pub general: bool,
    /// The comparison as written, for everything the table cannot say.
    pub condition: Plan,
}

/// Tests of texts by codepoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named like the function")]
pub enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// What a remembered value depends on, of the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FocusUse {
    /// Nothing.
    No,
    /// The root of the context item's tree.
    Root,
    /// The context item, its position or their number.
    Item,
}

/// `declare context item`.
#[derive(Debug, Default)]
pub struct ContextItem {
    /// Its types: one of each module that declares it, and it is of all of them.
    pub item_types: Vec<SequenceType>,
    /// Whether the host may give it.
    pub external: bool,
    /// The value or the default, with the slots it needs.
    pub value: Option<(Plan, usize)>,
}

/// A declared variable.
#[derive(Debug)]
pub struct Global {
    /// Its name.
    pub name: QName,
    /// Its type.
    pub declared_type: Option<SequenceType>,
    /// Whether the host may give it.
    pub external: bool,
    /// The value or the default, with the slots it needs.
    pub value: Option<(Plan, usize)>,
    /// Module it is declared in.
    pub module: usize,
    /// `%private`.
    pub private: bool,
}

/// A function with a body.
#[derive(Debug, Clone)]
pub struct FunctionPlan {
    /// Its name; `None` for inline functions.
    pub name: Option<QName>,
    /// Types of the parameters, which are in the first slots.
    pub params: Vec<Option<SequenceType>>,
    /// Type of the result.
    pub result: Option<SequenceType>,
    /// The body; external functions have none and cannot be called.
    pub body: Option<Plan>,
    /// Slots of its frame.
    pub slots: usize,
    /// Module it is written in.
    pub module: usize,
    /// Whether the function is updating.
    pub updating: bool,
    /// `%private`.
    pub private: bool,
}

impl Drop for FunctionPlan {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            for_tree(|| drop(body));
        }
    }
}

impl FunctionPlan {
    /// Its types.
    #[must_use]
    pub fn signature(&self) -> Signature {
        let any = |declared: &Option<SequenceType>| declared.clone().unwrap_or(SequenceType::ANY);
        Signature { params: self.params.iter().map(any).collect(), result: any(&self.result) }
    }
}

/// An expression and where it stands.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it does.
    pub op: Op,
    /// Where it stands in its module.
    pub span: Span,
}

/// A built-in function with its types.
#[derive(Debug)]
pub struct Builtin {
    /// The row of the table.
    pub entry: &'static FunctionEntry,
    /// Types of the parameters.
    pub params: Vec<SequenceType>,
    /// Type of the result.
    pub result: SequenceType,
}

impl Builtin {
    /// Type of the parameter at an index; the last one repeats when variadic.
    #[must_use]
    pub fn param(&self, index: usize) -> &SequenceType {
        &self.params[index.min(self.params.len() - 1)]
    }
}

/// What kind of computed or direct constructor.
#[derive(Debug, Clone)]
pub enum Construct {
    /// An element.
    Element {
        /// Its name.
        name: Naming,
        /// Declarations written on it.
        namespaces: Vec<(Str, Str)>,
        /// Attributes written on it.
        attributes: Vec<(QName, Plan)>,
        /// Its content.
        content: Vec<Plan>,
    },
    /// An attribute with its value.
    Attribute(Naming, Box<Plan>),
    /// Text.
    Text(Box<Plan>),
    /// Literal text between tags.
    Literal(Str),
    /// A comment.
    Comment(Box<Plan>),
    /// A processing instruction.
    Pi(Naming, Box<Plan>),
    /// A namespace node.
    Namespace(Naming, Box<Plan>),
    /// A document.
    Document(Box<Plan>),
}

/// Name of a constructor.
#[derive(Debug, Clone)]
pub enum Naming {
    /// Known while compiling.
    Fixed(QName),
    /// An expression.
    Computed(Box<Plan>),
}

/// Test of an axis step.
#[derive(Debug, Clone)]
pub enum StepTest {
    /// By name, among the axis's principal nodes.
    Name(NameTest),
    /// By kind.
    Kind(KindTest),
}

/// How a predicate selects.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// A position from 1 known while compiling.
    Position(i64),
    /// `last()`.
    Last,
    /// A truth value that does not depend on the position.
    Condition(Plan),
    /// Anything: a number is a position.
    General(Plan),
    /// A condition that compares what a route reaches with a value that does not depend on the context item: found by
    /// value where the tree has a summary.
    Lookup {
        /// To the attribute or child.
        route: Route,
        /// The value.
        value: Plan,
        /// The comparison as written.
        condition: Plan,
    },
}

/// A step of a path.
#[derive(Debug, Clone)]
pub enum Step {
    /// An axis step.
    Axis {
        /// The axis.
        axis: Axis,
        /// The test.
        test: StepTest,
        /// The predicates.
        predicates: Vec<Predicate>,
    },
    /// Any expression, once per item.
    Each(Plan),
    /// Several axis steps at once; the predicates are those of the last one. Where they count positions there is only
    /// one step.
    Route(Route, Vec<Predicate>),
}

/// A clause of a FLWOR or quantified expression.
#[derive(Debug, Clone)]
pub enum Clause {
    /// `for`.
    For {
        /// The variable.
        slot: Slot,
        /// Its declared type.
        declared_type: Option<SequenceType>,
        /// Binds `()` once when there is nothing.
        allowing_empty: bool,
        /// The positional variable.
        position: Option<Slot>,
        /// What is iterated.
        input: Plan,
    },
    /// `let`.
    Let {
        /// The variable.
        slot: Slot,
        /// Its declared type.
        declared_type: Option<SequenceType>,
        /// Its value.
        value: Plan,
    },
    /// `where`.
    Where(Plan),
    /// `count`.
    Count(Slot),
    /// `order by`.
    OrderBy {
        /// Most significant first.
        keys: Vec<SortKey>,
        /// Slots bound by the clauses before.
        bound: Vec<Slot>,
    },
    /// `group by`.
    GroupBy {
        /// The grouping variables.
        keys: Vec<GroupKey>,
        /// Slots bound by the clauses before that are no grouping variables.
        others: Vec<Slot>,
    },
    /// `for tumbling window` and `for sliding window`.
    Window(Box<Window>),
    /// `for` and `where` as a join.
    Join(Box<Join>),
}

/// A key of `order by`.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// The key.
    pub key: Plan,
    /// Descending.
    pub descending: bool,
    /// Empty keys come last in ascending order.
    pub empty_greatest: bool,
    /// Collation.
    pub collation: Option<Arc<dyn compare::Collation>>,
}

/// A key of `group by`.
#[derive(Debug, Clone)]
pub struct GroupKey {
    /// Slot of the variable after grouping.
    pub slot: Slot,
    /// A later key has the same variable, so that this one only binds it for the keys between.
    pub shadowed: bool,
    /// The key.
    pub value: Plan,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
    /// Collation.
    pub collation: Option<Arc<dyn compare::Collation>>,
}

/// A window clause.
#[derive(Debug, Clone)]
pub struct Window {
    /// Sliding rather than tumbling.
    pub sliding: bool,
    /// Variable of the window.
    pub slot: Slot,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
    /// What is iterated.
    pub input: Plan,
    /// Start condition.
    pub start: WindowCondition,
    /// End condition.
    pub end: Option<WindowCondition>,
    /// `only end`.
    pub only_end: bool,
}

/// Variables and condition of a window's start or end.
#[derive(Debug, Clone)]
pub struct WindowCondition {
    /// The item.
    pub current: Option<Slot>,
    /// Its position.
    pub position: Option<Slot>,
    /// The item before.
    pub previous: Option<Slot>,
    /// The item after.
    pub next: Option<Slot>,
    /// The condition.
    pub when: Plan,
}

/// A branch of `catch`.
#[derive(Debug, Clone)]
pub struct Catch {
    /// Errors it takes.
    pub errors: Vec<NameTest>,
    /// `err:code`, `description`, `value`, `module`, `line-number`, `column-number`, `additional`.
    pub variables: [Slot; 7],
    /// The branch.
    pub body: Plan,
}

/// What is looked up.
#[derive(Debug, Clone)]
pub enum Key {
    /// Everything.
    Wildcard,
    /// Atomic values.
    Values(Box<Plan>),
}

/// A call's argument that may stay open.
pub type OpenArgs = Vec<Option<Plan>>;

/// Operations on sets of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named like the operator")]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

/// Comparisons of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named like the operator")]
pub enum NodeOp {
    Is,
    Precedes,
    Follows,
}

/// How a comparison treats strings.
pub type SharedCollation = Option<Arc<dyn compare::Collation>>;

/// What an expression does.
#[derive(Debug, Clone)]
pub enum Op {
    /// A constant.
    Const(Sequence),
    /// A local variable.
    Local(Slot),
    /// A declared variable.
    Global(usize),
    /// `.`
    ContextItem,
    /// `fn:position()`
    Position,
    /// `fn:last()`
    Last,
    /// `a, b`
    Sequence(Vec<Plan>),
    /// `let` without other clauses.
    Let(Slot, Option<SequenceType>, Box<Plan>, Box<Plan>),
    /// FLWOR.
    Flwor(Vec<Clause>, Box<Plan>),
    /// `some` (false) and `every` (true).
    Quantified(bool, Vec<Clause>, Box<Plan>),
    /// `if`
    If(Box<Plan>, Box<Plan>, Box<Plan>),
    /// `switch`
    Switch(Box<Plan>, Vec<(Vec<Plan>, Plan)>, Box<Plan>, SharedCollation),
    /// `typeswitch`: cases with types and slot, default with slot.
    Typeswitch(Box<Plan>, Vec<(Vec<SequenceType>, Option<Slot>, Plan)>, Option<Slot>, Box<Plan>),
    /// `try`
    Try(Box<Plan>, Vec<Catch>),
    /// `or`
    Or(Vec<Plan>),
    /// `and`
    And(Vec<Plan>),
    /// `fn:not`
    Not(Box<Plan>),
    /// `fn:boolean`
    Boolean(Box<Plan>),
    /// `fn:exists` (true) and `fn:empty` (false).
    Exists(Box<Plan>, bool),
    /// `fn:count`
    Count(Box<Plan>),
    /// `eq` and its like.
    ValueCompare(compare::Op, Box<Plan>, Box<Plan>, SharedCollation),
    /// `=` and its like.
    GeneralCompare(compare::Op, Box<Plan>, Box<Plan>, SharedCollation),
    /// `is`, `<<`, `>>`.
    NodeCompare(NodeOp, Box<Plan>, Box<Plan>),
    /// `to`
    Range(Box<Plan>, Box<Plan>),
    /// `+` and its like.
    Arithmetic(arithmetic::Op, Box<Plan>, Box<Plan>),
    /// Unary minus (true) and plus.
    Sign(bool, Box<Plan>),
    /// `||`
    Concat(Vec<Plan>),
    /// String constructor: every part joined by spaces.
    Join(Vec<Plan>),
    /// `union`, `intersect`, `except`.
    Set(SetOp, Vec<Plan>),
    /// `!`
    SimpleMap(Box<Plan>, Box<Plan>),
    /// `base[p]`
    Filter(Box<Plan>, Vec<Predicate>),
    /// Root of the context node's tree, which is a document: `/`.
    Root,
    /// `base/step/step`; without base the context item.
    Path(Option<Box<Plan>>, Vec<Step>),
    /// `instance of`
    InstanceOf(Box<Plan>, SequenceType),
    /// `treat as`
    TreatAs(Box<Plan>, SequenceType),
    /// `cast as`, and constructor functions; whether `()` is allowed.
    Cast(Box<Plan>, AtomicType, bool, Arc<StaticContext>),
    /// `castable as`
    Castable(Box<Plan>, AtomicType, bool, Arc<StaticContext>),
    /// Casting to a list type: the item type; whether `()` is allowed, and whether only castability is asked for.
    CastList(Box<Plan>, AtomicType, bool, bool),
    /// Call of a built-in function.
    CallBuiltin(Arc<Builtin>, Vec<Plan>, Arc<StaticContext>),
    /// Call of a declared function.
    CallUser(usize, Vec<Plan>),
    /// Call of the function this is the last thing of.
    TailCall(Vec<Plan>),
    /// Call of a function item, possibly partial.
    CallDynamic(Box<Plan>, OpenArgs),
    /// `name#arity`, or the target of a partial application.
    FunctionRef(FunctionRef),
    /// Inline function: its plan, and which slots of the surrounding frame go where.
    Closure(Arc<FunctionPlan>, Vec<(Slot, Slot)>),
    /// `map { … }`
    Map(Vec<(Plan, Plan)>),
    /// `[ … ]`
    SquareArray(Vec<Plan>),
    /// `array { … }`
    CurlyArray(Box<Plan>),
    /// `?key`
    Lookup(Box<Plan>, Key),
    /// A constructor.
    Construct(Box<Construct>, Arc<StaticContext>),
    /// An expression of the Update Facility. Its pending updates go to the evaluator, beside its value: it is evaluated
    /// as often as is written, and neither moved nor left out.
    Update(Box<Update>, Arc<StaticContext>),
    /// Fails when evaluated.
    Fail(&'static str, String),
    /// `fn:contains` and its like, by codepoints.
    TextTest(TextTest, Box<Plan>, Box<Plan>),
    /// A value that is remembered as long as the slots and the focus it depends on stay the same: its place.
    Memo(usize, Vec<Slot>, FocusUse, Box<Plan>),
}

/// Expressions of the Update Facility 3.0.
#[derive(Debug, Clone)]
pub enum Update {
    /// `insert`: what, where, and relative to which node.
    Insert(Plan, InsertPosition, Plan),
    /// `delete`
    Delete(Plan),
    /// `replace node`: which, and by what.
    ReplaceNode(Plan, Plan),
    /// `replace value of node`: which, and by what.
    ReplaceValue(Plan, Plan),
    /// `rename`: which, and the name.
    Rename(Plan, Plan),
    /// `copy … modify … return`
    CopyModify(Vec<(Slot, Plan)>, Plan, Plan),
    /// `transform with`: what is copied, and the updates.
    Transform(Plan, Plan),
    /// `invoke updating`
    Invoke(Plan, Vec<Plan>),
}

/// A function known while compiling.
#[derive(Debug, Clone)]
pub enum FunctionRef {
    /// A built-in function of an arity.
    Builtin(Arc<Builtin>, usize, Arc<StaticContext>),
    /// A declared function.
    User(usize),
    /// A constructor function; of list types the item type.
    Constructor(AtomicType, Arc<StaticContext>),
    /// The constructor function of a list type: its name and its item type.
    ListConstructor(QName, AtomicType),
}
