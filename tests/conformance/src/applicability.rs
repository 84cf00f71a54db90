//! Which cases apply to the engine: what it claims, against what a case depends on.
//!
//! Claimed: XQuery 3.1 with higher-order functions, module import and serialization; XSD 1.1 lexical rules; XML 1.0
//! fifth edition names; language `en`; the four Unicode normalization forms. Not claimed: schema import and validation,
//! static typing, typed data, IDs and IDREFs of document types, XML 1.1, `fn:transform`, the namespace axis, XPath 1.0
//! compatibility.

use crate::catalog::Dependency;

const FEATURES: &[&str] = &[
    "higherOrderFunctions",
    "moduleImport",
    "serialization",
    "non_empty_sequence_collection",
    "collection-stability",
    "fn-load-xquery-module",
    "non_unicode_codepoint_collation",
    "simple-uca-fallback",
];

/// The first dependency that the engine does not meet; `None` when the case applies.
#[must_use]
pub fn unmet<'a>(dependencies: impl IntoIterator<Item = &'a Dependency>) -> Option<&'a Dependency> {
    dependencies.into_iter().find(|dependency| holds(dependency) != dependency.satisfied)
}

fn holds(dependency: &Dependency) -> bool {
    let any = |test: &dyn Fn(&str) -> bool| dependency.value.split_whitespace().any(test);
    match dependency.kind.as_str() {
        "spec" => any(&|value| matches!(value, "XQ10+" | "XQ30+" | "XQ31+" | "XQ31")),
        "feature" => any(&|value| FEATURES.contains(&value)),
        "xml-version" => any(&|value| matches!(value, "1.0" | "1.0:5+")),
        "xsd-version" => any(&|value| value == "1.1"),
        "language" | "default-language" => any(&|value| value == "en"),
        "unicode-normalization-form" => any(&|value| matches!(value, "NFC" | "NFD" | "NFKC" | "NFKD")),
        "calendar" => any(&|value| value == "AD"),
        "limits" => any(&|value| value == "year_lt_0"),
        // Numbering sequences beyond those that every processor has.
        "format-integer-sequence" => any(&|value| matches!(value, "Α" | "α" | "١")),
        "unicode-version" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, value: &str, satisfied: bool, applies: bool) {
        let dependency = Dependency { kind: kind.to_owned(), value: value.to_owned(), satisfied };
        assert_eq!(unmet([&dependency]).is_none(), applies, "{dependency:?}");
    }

    #[test]
    fn a_case_applies_when_every_dependency_has_the_wanted_truth() {
        check("spec", "XP30+ XQ30+", true, true);
        check("spec", "XP31+", true, false);
        check("spec", "XQ10 XQ30", true, false);
        check("feature", "schemaImport", true, false);
        check("feature", "schemaImport", false, true);
        check("feature", "higherOrderFunctions", true, true);
        check("xml-version", "1.0:4-", true, false);
        check("language", "de", true, false);
    }
}
