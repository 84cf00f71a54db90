//! Names and sequence types of the syntax tree, resolved.

use crate::context::StaticContext;
use crate::syntax::ast;
use phoenixmldb_xdm::atomic::SCHEMA_NAMESPACE;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::function::Signature;
use phoenixmldb_xdm::types::{ItemType, KindTest, NameTest, Occurrence, SequenceType};
use phoenixmldb_xdm::{AtomicType, QName, Str};
use std::sync::Arc;

/// Resolves a name; without prefix it is in `default`. Error: XPST0081.
pub(crate) fn resolve(name: &ast::Name, default: &str, context: &StaticContext) -> Result<QName> {
    match &name.qualifier {
        ast::Qualifier::None => Ok(QName::new("", default, name.local.clone())),
        ast::Qualifier::Uri(uri) => Ok(QName::new("", uri.clone(), name.local.clone())),
        ast::Qualifier::Prefix(prefix) => {
            let uri = prefix_uri(prefix, context).map_err(|error| error.at(name.span.start, name.span.end))?;
            Ok(QName::new(prefix.clone(), uri, name.local.clone()))
        }
    }
}

/// Error: XPST0081.
pub(crate) fn prefix_uri(prefix: &str, context: &StaticContext) -> Result<Str> {
    let uri = context.namespaces.get(prefix).filter(|uri| !uri.is_empty());
    uri.cloned().ok_or_else(|| fail("XPST0081", format!("prefix {prefix:?} is bound to no namespace")))
}

pub(crate) fn name_test(test: &ast::NameTest, default: &str, context: &StaticContext) -> Result<NameTest> {
    Ok(match test {
        ast::NameTest::Any => NameTest::Any,
        ast::NameTest::Name(name) => NameTest::Name(resolve(name, default, context)?),
        ast::NameTest::AnyInPrefix(prefix, span) => {
            NameTest::Namespace(prefix_uri(prefix, context).map_err(|error| error.at(span.start, span.end))?)
        }
        ast::NameTest::AnyInUri(uri) => NameTest::Namespace(uri.clone()),
        ast::NameTest::AnyWithLocal(local) => NameTest::Local(local.clone()),
    })
}

/// Resolves a sequence type. Errors: XPST0051, XPST0081, XPST0008 for schema tests.
pub(crate) fn sequence_type(written: &ast::SequenceType, context: &StaticContext) -> Result<SequenceType> {
    let Some(item) = &written.item else {
        return Ok(SequenceType::new(ItemType::Item, Occurrence::Empty));
    };
    let occurrence = match written.occurrence {
        ast::Occurrence::One => Occurrence::One,
        ast::Occurrence::Optional => Occurrence::Optional,
        ast::Occurrence::Any => Occurrence::Any,
        ast::Occurrence::AtLeastOne => Occurrence::AtLeastOne,
    };
    let item = item_type(item, context).map_err(|error| error.at(written.span.start, written.span.end))?;
    Ok(SequenceType::new(item, occurrence))
}

pub(crate) fn item_type(written: &ast::ItemType, context: &StaticContext) -> Result<ItemType> {
    Ok(match written {
        ast::ItemType::Item => ItemType::Item,
        ast::ItemType::Kind(test) => ItemType::Kind(kind_test(test, context)?),
        ast::ItemType::Atomic(name) => ItemType::Atomic(atomic_type(name, context, "XPST0051")?),
        ast::ItemType::AnyFunction { annotations } => asserted(annotations, ItemType::AnyFunction, context)?,
        ast::ItemType::Function { annotations, params, result } => {
            let params = params.iter().map(|param| sequence_type(param, context)).collect::<Result<_>>()?;
            let signature = Arc::new(Signature { params, result: sequence_type(result, context)? });
            asserted(annotations, ItemType::Function(signature), context)?
        }
        ast::ItemType::AnyMap => ItemType::AnyMap,
        ast::ItemType::Map { key, value } => {
            ItemType::Map(atomic_type(key, context, "XPST0051")?, Arc::new(sequence_type(value, context)?))
        }
        ast::ItemType::AnyArray => ItemType::AnyArray,
        ast::ItemType::Array(member) => ItemType::Array(Arc::new(sequence_type(member, context)?)),
    })
}

/// A function test with its assertions. Errors: XQST0045 for reserved names, XUST0034 for a second one about updating.
fn asserted(annotations: &[ast::Annotation], function: ItemType, context: &StaticContext) -> Result<ItemType> {
    let mut found = None;
    for annotation in annotations {
        let name = resolve(&annotation.name, crate::context::XQUERY_NAMESPACE, context)?;
        if name.uri != crate::context::XQUERY_NAMESPACE {
            if is_reserved(&name.uri) {
                let message = format!("annotation %{} is in a reserved namespace", annotation.name);
                return Err(fail("XQST0045", message));
            }
            continue;
        }
        let required = match (&*name.local, &annotation.values[..]) {
            ("simple", _) => None,
            ("updating", []) => Some(false),
            ("updating", [ast::AnnotationValue::String(text)]) if &**text == "prohibited" => None,
            ("updating", [ast::AnnotationValue::String(text)]) if &**text == "allowed" => Some(false),
            ("updating", [ast::AnnotationValue::String(text)]) if &**text == "required" => Some(true),
            _ => continue,
        };
        if found.replace(required).is_some() {
            return Err(fail("XUST0034", "a function test says twice whether it is of updating functions"));
        }
    }
    Ok(match found.flatten() {
        Some(required) => ItemType::Updating { required, function: Arc::new(function) },
        None => function,
    })
}

/// Namespaces in which queries declare nothing (XQuery 3.1 §4.18).
pub(crate) fn is_reserved(uri: &str) -> bool {
    use crate::context as c;
    let reserved = [
        phoenixmldb_xdm::names::XML_NAMESPACE,
        SCHEMA_NAMESPACE,
        "http://www.w3.org/2001/XMLSchema-instance",
        c::FN_NAMESPACE,
        c::MATH_NAMESPACE,
        c::MAP_NAMESPACE,
        c::ARRAY_NAMESPACE,
        c::XQUERY_NAMESPACE,
    ];
    reserved.contains(&uri)
}

/// The atomic type of this name. Error: `code`.
pub(crate) fn atomic_type(name: &ast::Name, context: &StaticContext, code: &'static str) -> Result<AtomicType> {
    let resolved = resolve(name, &context.default_element_namespace, context)?;
    let found = if resolved.uri == SCHEMA_NAMESPACE { AtomicType::from_local_name(&resolved.local) } else { None };
    found.ok_or_else(|| fail(code, format!("{name} is no atomic type")).at(name.span.start, name.span.end))
}

/// The item type of a built-in list type.
pub(crate) fn list_type(name: &QName) -> Option<AtomicType> {
    if name.uri != SCHEMA_NAMESPACE {
        return None;
    }
    match &*name.local {
        "NMTOKENS" => Some(AtomicType::NmToken),
        "IDREFS" => Some(AtomicType::IdRef),
        "ENTITIES" => Some(AtomicType::Entity),
        _ => None,
    }
}

pub(crate) fn kind_test(test: &ast::KindTest, context: &StaticContext) -> Result<KindTest> {
    Ok(match test {
        ast::KindTest::Node => KindTest::Node,
        ast::KindTest::Document(None) => KindTest::Document(None),
        ast::KindTest::Document(Some(test)) => KindTest::Document(Some(Box::new(kind_test(test, context)?))),
        ast::KindTest::Element(test) => {
            let (name, type_name) = element_test(test, &context.default_element_namespace, context)?;
            KindTest::Element(name, type_name)
        }
        ast::KindTest::Attribute(test) => {
            let (name, type_name) = element_test(test, "", context)?;
            KindTest::Attribute(name, type_name)
        }
        ast::KindTest::SchemaElement(name) | ast::KindTest::SchemaAttribute(name) => {
            resolve(name, &context.default_element_namespace, context)?;
            return Err(fail("XPST0008", format!("no schema declares {name}")).at(name.span.start, name.span.end));
        }
        ast::KindTest::Pi(target) => KindTest::Pi(target.clone()),
        ast::KindTest::Comment => KindTest::Comment,
        ast::KindTest::Text => KindTest::Text,
        ast::KindTest::NamespaceNode => KindTest::NamespaceNode,
    })
}

fn element_test(test: &ast::ElementTest, default: &str, context: &StaticContext) -> Result<(NameTest, Option<QName>)> {
    let name = match &test.name {
        Some(name) => NameTest::Name(resolve(name, default, context)?),
        None => NameTest::Any,
    };
    let Some(written) = &test.type_name else { return Ok((name, None)) };
    let type_name = resolve(written, &context.default_element_namespace, context)?;
    let known = type_name.uri == SCHEMA_NAMESPACE
        && (AtomicType::from_local_name(&type_name.local).is_some()
            || list_type(&type_name).is_some()
            || matches!(&*type_name.local, "anyType" | "anySimpleType" | "untyped"));
    if !known {
        return Err(fail("XPST0008", format!("{written} is no type")).at(written.span.start, written.span.end));
    }
    Ok((name, Some(type_name)))
}
