//! Every function of F&O 3.1 is there, with exactly the arities it has, and so is `fn:put` of the Update Facility.

use phoenixmldb_xquery::functions::signature::FUNCTIONS;
use std::collections::BTreeMap;

/// Names with arities, by namespace. `fn:concat` takes two or more.
const FN: &str = "abs 1, adjust-date-to-timezone 1 2, adjust-dateTime-to-timezone 1 2, adjust-time-to-timezone 1 2, \
    analyze-string 2 3, apply 2, available-environment-variables 0, avg 1, base-uri 0 1, boolean 1, ceiling 1, \
    codepoint-equal 2, codepoints-to-string 1, collation-key 1 2, collection 0 1, compare 2 3, concat 2 3 4 5 6 7, \
    contains 2 3, contains-token 2 3, count 1, current-date 0, current-dateTime 0, current-time 0, data 0 1, dateTime 2, \
    day-from-date 1, day-from-dateTime 1, days-from-duration 1, deep-equal 2 3, default-collation 0, default-language 0, \
    distinct-values 1 2, doc 1, doc-available 1, document-uri 0 1, element-with-id 1 2, empty 1, encode-for-uri 1, \
    ends-with 2 3, environment-variable 1, error 0 1 2 3, escape-html-uri 1, exactly-one 1, exists 1, false 0, filter 2, \
    floor 1, fold-left 3, fold-right 3, for-each 2, for-each-pair 3, format-date 2 5, format-dateTime 2 5, \
    format-integer 2 3, format-number 2 3, format-time 2 5, function-arity 1, function-lookup 2, function-name 1, \
    generate-id 0 1, has-children 0 1, head 1, hours-from-dateTime 1, hours-from-duration 1, hours-from-time 1, id 1 2, \
    idref 1 2, implicit-timezone 0, in-scope-prefixes 1, index-of 2 3, innermost 1, insert-before 3, iri-to-uri 1, \
    json-doc 1 2, json-to-xml 1 2, lang 1 2, last 0, load-xquery-module 1 2, local-name 0 1, local-name-from-QName 1, \
    lower-case 1, matches 2 3, max 1 2, min 1 2, minutes-from-dateTime 1, minutes-from-duration 1, minutes-from-time 1, \
    month-from-date 1, month-from-dateTime 1, months-from-duration 1, name 0 1, namespace-uri 0 1, \
    namespace-uri-for-prefix 2, namespace-uri-from-QName 1, nilled 0 1, node-name 0 1, normalize-space 0 1, \
    normalize-unicode 1 2, not 1, number 0 1, one-or-more 1, outermost 1, parse-ietf-date 1, parse-json 1 2, parse-xml 1, \
    parse-xml-fragment 1, path 0 1, position 0, prefix-from-QName 1, put 2 3, QName 2, random-number-generator 0 1, \
    remove 2, replace 3 4, resolve-QName 2, resolve-uri 1 2, reverse 1, root 0 1, round 1 2, round-half-to-even 1 2, \
    seconds-from-dateTime 1, seconds-from-duration 1, seconds-from-time 1, serialize 1 2, sort 1 2 3, starts-with 2 3, \
    static-base-uri 0, string 0 1, string-join 1 2, string-length 0 1, string-to-codepoints 1, subsequence 2 3, \
    substring 2 3, substring-after 2 3, substring-before 2 3, sum 1 2, tail 1, timezone-from-date 1, \
    timezone-from-dateTime 1, timezone-from-time 1, tokenize 1 2 3, trace 1 2, transform 1, translate 3, true 0, \
    unordered 1, unparsed-text 1 2, unparsed-text-available 1 2, unparsed-text-lines 1 2, upper-case 1, \
    uri-collection 0 1, xml-to-json 1 2, year-from-date 1, year-from-dateTime 1, years-from-duration 1, zero-or-one 1";
const MATH: &str =
    "acos 1, asin 1, atan 1, atan2 2, cos 1, exp 1, exp10 1, log 1, log10 1, pi 0, pow 2, sin 1, sqrt 1, tan 1";
const MAP: &str = "contains 2, entry 2, find 2, for-each 2, get 2, keys 1, merge 1 2, put 3, remove 2, size 1";
const ARRAY: &str = "append 2, filter 2, flatten 1, fold-left 3, fold-right 3, for-each 2, for-each-pair 3, get 2, head 1, \
    insert-before 3, join 1, put 3, remove 2, reverse 1, size 1, sort 1 2 3, subarray 2 3, tail 1";

/// Arities that are looked at: one more than any function but `fn:concat` has.
const ARITY_MAX: usize = 7;

#[test]
fn the_table_is_that_of_the_specification() {
    let mut expected: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (namespace, list) in [
        (phoenixmldb_xquery::context::FN_NAMESPACE, FN),
        (phoenixmldb_xquery::context::MATH_NAMESPACE, MATH),
        (phoenixmldb_xquery::context::MAP_NAMESPACE, MAP),
        (phoenixmldb_xquery::context::ARRAY_NAMESPACE, ARRAY),
    ] {
        for entry in list.split(", ") {
            let (name, arities) = entry.split_once(' ').unwrap();
            expected.insert((namespace, name), arities.split(' ').map(|arity| arity.parse().unwrap()).collect());
        }
    }
    let mut found: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for entry in FUNCTIONS.iter().flat_map(|file| file.iter()) {
        let arities = found.entry((entry.namespace, entry.local)).or_default();
        arities.extend((0..=ARITY_MAX).filter(|arity| entry.accepts(*arity)));
        arities.sort_unstable();
    }
    for (name, arities) in &expected {
        assert_eq!(found.get(name), Some(arities), "{name:?}");
    }
    let more: Vec<_> = found.keys().filter(|name| !expected.contains_key(*name)).collect();
    assert!(more.is_empty(), "functions that the specification does not have: {more:?}");
}
