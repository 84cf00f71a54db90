//! Finding functions by name — F&O 3.1 §16.1.1.

use super::args::Args;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Atomic, Item, Sequence};

pub(super) const TABLE: &[FunctionEntry] =
    &[fun("function-lookup", &["xs:QName", "xs:integer"], "function(*)?", function_lookup).depends(Depends::Focus)];

fn function_lookup(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let Some(Atomic::QName(name)) = args.atomic(0)? else { return Err(fail("XPTY0004", "a function has a name")) };
    let arity = args.integer(1)?.and_then(|arity| usize::try_from(arity).ok());
    let found = arity.and_then(|arity| ctx.function_lookup(&name, arity));
    Ok(Sequence::from(found.map(Item::Function)))
}
