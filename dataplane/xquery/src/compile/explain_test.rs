//! Plans after the rewrites, as `explain` prints them.

use crate::{NoResolver, Options, Query};

fn check(query: &str, expected: &str) {
    let query = Query::compile(query, &Options::default(), &NoResolver).unwrap();
    assert_eq!(query.explain().trim_end(), expected.trim_matches('\n'));
}

#[test]
fn a_correlated_loop_is_a_join_and_its_count_needs_no_items() {
    check(
        "for $p in /site/people/person
         let $a := for $t in /site/closed_auctions/closed_auction where $t/buyer/@person = $p/@id return $t
         return <item person='{$p/name/text()}'>{count($a)}</item>",
        r#"
body
  flwor
    for $0
      path
        root
        route Child::site/Child::people/Child::person
    return
      construct element item
        attribute person
          join texts
            path
              $0
              route Child::name/Child::text()
        count
          flwor
            join $1 where probe Eq key
              input
                path
                  root
                  route Child::site/Child::closed_auctions/Child::closed_auction
              probe
                path
                  $0
                  route Attribute::id
              key
                path
                  $1
                  route Child::buyer/Attribute::person
            return
              $1
rewrites
  a variable that is read once was replaced by its value
  a loop with a comparison became a join by a hash table
  3 steps became one route through the path summary (2 times)
  2 steps became one route through the path summary (3 times)
"#,
    );
}

#[test]
fn a_comparison_in_a_predicate_is_a_lookup() {
    check(
        "/site/people/person[@id = 'person0']/name",
        r#"
body
  path
    root
    route Child::site/Child::people/Child::person
      lookup by value of Attribute::id
        constant xs:string "person0"
    route Child::name
rewrites
  a comparison in a predicate became a lookup by value
  3 steps became one route through the path summary
"#,
    );
    // A position is no value.
    check(
        "/site/people/person[2]",
        r#"
body
  path
    root
    route Child::site/Child::people
    route Child::person
      position 2
rewrites
  2 steps became one route through the path summary
"#,
    );
}

#[test]
fn what_stays_the_same_in_a_loop_is_remembered() {
    check(
        "for $i in //item where $i/price > avg(//price) return $i",
        r#"
body
  flwor
    for $0
      path
        root
        route Descendant::item
    where
      compare Gt
        path
          $0
          route Child::price
        remember per the document
          call avg
            path
              root
              route Descendant::price
    return
      $0
rewrites
  an expression that stays the same in a loop is remembered
"#,
    );
}
