//! `--var`: values of external variables.
//!
//! `name=value` is text of no type (`xs:untypedAtomic`), which takes the type that the query declares. `name:=expression`
//! is the value of an XQuery expression, so that it has the type that it says: `n:=xs:integer(5)`, `list:=(1, 2, 3)`.

use crate::error::CliError;
use phoenixmldb_client::v1::{TypedValue, Variable};
use phoenixmldb_types::clock::{Clock, SystemClock};
use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::{Atomic, Item, QName, Sequence};
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query};
use std::sync::Arc;

/// The current time, in UTC.
#[must_use]
pub fn now() -> Moment {
    let now_ms = SystemClock.wall_ms();
    let (days, ms) = (now_ms / 86_400_000, now_ms % 86_400_000);
    let nanos = i64::try_from(ms).unwrap_or(0) * 1_000_000;
    Moment::from_day_number(i64::try_from(days).unwrap_or(0), nanos, Some(0)).unwrap_or(Moment::DEFAULT)
}

/// Name and value of one `--var`. Error: neither form, no name, or an expression that fails.
pub fn binding(given: &str) -> Result<(QName, Sequence), CliError> {
    let wrong = |why: &str| {
        CliError::usage(format!("--var {given:?}: {why}")).next("--var name=value, or --var 'name:=xs:integer(5)'")
    };
    let bare = given.strip_prefix('$').unwrap_or(given);
    // The URI of a name may contain "=".
    let uri_end = if bare.starts_with("Q{") { bare.find('}').ok_or_else(|| wrong("\"}\" is missing"))? } else { 0 };
    let equals = bare[uri_end..].find('=').ok_or_else(|| wrong("it has to be name=value"))? + uri_end;
    let (name, value) = (&bare[..equals], &bare[equals + 1..]);
    let (name, typed) = name.strip_suffix(':').map_or((name, false), |name| (name, true));
    let (uri, local) = name.strip_prefix("Q{").and_then(|rest| rest.split_once('}')).unwrap_or(("", name));
    if !phoenixmldb_xdm::names::is_ncname(local.trim()) {
        return Err(wrong("what is before \"=\" is not a name; one in a namespace is Q{uri}local"));
    }
    let name = QName::new("", uri, local.trim());
    if !typed {
        return Ok((name, Sequence::from(Atomic::Untyped(value.into()))));
    }
    let context = DynamicContext::new(now(), Arc::new(NoResolver));
    let value = Query::compile(value, &Options::default(), &NoResolver).and_then(|query| query.run(&context));
    Ok((name, value.map_err(|error| wrong(&error.to_string()))?))
}

/// The same for the wire. Error: values that are not atomic do not travel.
pub fn wire(given: &str) -> Result<Variable, CliError> {
    let (name, value) = binding(given)?;
    let values = value
        .iter()
        .map(|item| match item {
            Item::Atomic(value) => Ok(TypedValue {
                r#type: format!("xs:{}", value.type_of().local_name()),
                value: value.to_str().to_string(),
            }),
            Item::Node(_) | Item::Function(_) => {
                Err(CliError::usage(format!("--var {given:?}: only atomic values can be sent to a cluster")))
            }
        })
        .collect::<Result<_, _>>()?;
    let name = if name.uri.is_empty() { name.local.to_string() } else { format!("Q{{{}}}{}", name.uri, name.local) };
    Ok(Variable { name, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(given: &str) -> (String, Vec<(String, String)>) {
        let variable = wire(given).unwrap();
        (variable.name, variable.values.into_iter().map(|value| (value.r#type, value.value)).collect())
    }

    fn value(type_name: &str, text: &str) -> (String, String) {
        (type_name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_value_has_the_type_of_its_expression_or_none() {
        assert_eq!(sent("n=5"), ("n".to_owned(), vec![value("xs:untypedAtomic", "5")]));
        assert_eq!(sent("$n:=xs:byte(5)"), ("n".to_owned(), vec![value("xs:byte", "5")]));
        let list = vec![value("xs:integer", "1"), value("xs:string", "a=b")];
        assert_eq!(sent("Q{u=v}n:=(1, 'a=b')"), ("Q{u=v}n".to_owned(), list));
        assert_eq!(sent("n=a:=b").1, vec![value("xs:untypedAtomic", "a:=b")]);
        assert_eq!(sent("n=").1, vec![value("xs:untypedAtomic", "")]);
        assert_eq!(sent("n:=()").1, vec![]);
        for wrong in ["n", "=5", "p:n=5", "n:=1 +", "n:=<a/>", "Q{u=5"] {
            assert_eq!(wire(wrong).unwrap_err().exit, crate::exit::Exit::Usage, "{wrong}");
        }
    }
}
