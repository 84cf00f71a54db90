//! Context functions — F&O 3.1 §15.

use super::args::count;
use super::signature::{Depends, FunctionEntry, fun};
use phoenixmldb_xdm::{Atomic, AtomicType, Sequence, Str};

pub(super) const TABLE: &[FunctionEntry] =
    &[
        fun("position", &[], "xs:integer", |ctx, _| Ok(count(ctx.focus()?.position))).depends(Depends::Focus),
        fun("last", &[], "xs:integer", |ctx, _| Ok(count(ctx.focus()?.size))).depends(Depends::Focus),
        fun("default-collation", &[], "xs:string", |ctx, _| {
            Ok(Sequence::string(ctx.static_context.default_collation.clone()))
        })
        .depends(Depends::Context),
        fun("default-language", &[], "xs:language", |_, _| {
            Ok(Atomic::String(Str::from("en"), AtomicType::Language).into())
        })
        .depends(Depends::Context),
        fun("static-base-uri", &[], "xs:anyURI?", |ctx, _| {
            Ok(ctx.static_context.base_uri.clone().map(Atomic::AnyUri).into())
        })
        .depends(Depends::Context),
    ];
