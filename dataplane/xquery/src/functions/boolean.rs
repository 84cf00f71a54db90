//! Booleans — F&O 3.1 §7.

use super::args::boolean as truth;
use super::signature::{FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::Sequence;
use phoenixmldb_xdm::error::Result;

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("true", &[], "xs:boolean", |_, _| Ok(truth(true))),
    fun("false", &[], "xs:boolean", |_, _| Ok(truth(false))),
    fun("boolean", &["item()*"], "xs:boolean", boolean),
    fun("not", &["item()*"], "xs:boolean", not),
];

fn boolean(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(truth(args[0].effective_boolean_value()?))
}

fn not(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(truth(!args[0].effective_boolean_value()?))
}
