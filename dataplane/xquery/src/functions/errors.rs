//! `fn:error` and `fn:trace` — F&O 3.1 §3.

use super::args::Args;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{ERROR_NAMESPACE, Error, Result};
use phoenixmldb_xdm::{Atomic, QName, Sequence};

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("error", &["xs:QName?", "xs:string", "item()*"], "item()*", error).required(0).depends(Depends::Outside),
    fun("trace", &["item()*", "xs:string"], "item()*", trace).required(1).depends(Depends::Outside),
];

fn error(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let code = match args.atomic(0)? {
        Some(Atomic::QName(name)) => (*name).clone(),
        _ => QName::new("err", ERROR_NAMESPACE, "FOER0000"),
    };
    let message = args.text(1)?.map_or_else(|| "error raised by the query".to_owned(), |text| text.to_string());
    let mut error = Error::named(code, message);
    if args.count() > 2 {
        error.value = Some(args.take(2));
    }
    Err(Box::new(error))
}

/// Returns its argument. There is no place to write a trace to: a query runs on many nodes.
fn trace(_: &mut CallContext<'_>, mut args: Vec<Sequence>) -> Result<Sequence> {
    Ok(args.swap_remove(0))
}
