//! Order documents: the same document for the same number, on every machine.
//!
//! Each is a pure function of its number, drawn from SplitMix64 (Steele, Lea, Flood 2014). About 1 KB; about every tenth
//! has a total above 1000.

use std::fmt::Write;

const WORDS: [&str; 26] = [
    "alpha", "bravo", "cedar", "delta", "ember", "flint", "grove", "hazel", "ivory", "jasper", "karat", "lemon",
    "maple", "noble", "ochre", "pearl", "quartz", "raven", "slate", "topaz", "umber", "velvet", "willow", "xenon",
    "yarrow", "zephyr",
];
const COUNTRIES: [&str; 10] = ["DE", "FR", "GB", "US", "JP", "BR", "IN", "ZA", "AU", "CA"];
const STATES: [&str; 5] = ["new", "paid", "packed", "shipped", "closed"];
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Name of document `number`.
#[must_use]
pub fn name(number: u32) -> String {
    format!("o{number:07}.xml")
}

/// Document `number` and its total in cents.
#[must_use]
pub fn order(number: u32) -> (String, u64) {
    let mut draw = SplitMix(u64::from(number).wrapping_mul(GOLDEN_GAMMA).wrapping_add(0xC0_FFEE));
    let large = draw.below(10) == 0;
    let (mut lines, mut total) = (String::new(), 0);
    for line in 1..=4 + draw.below(4) {
        let quantity = 1 + draw.below(5);
        let price = if large { 4_000 + draw.below(30_000) } else { 100 + draw.below(2_400) };
        total += quantity * price;
        let (sku, words) = (draw.below(20_000), [draw.of(&WORDS), draw.of(&WORDS), draw.of(&WORDS)].join(" "));
        write!(
            lines,
            "<line no=\"{line}\"><sku>SKU-{sku:05}</sku><name>{words}</name><quantity>{quantity}</quantity>\
             <price currency=\"EUR\">{}.{:02}</price></line>",
            price / 100,
            price % 100
        )
        .expect("a string takes everything");
    }
    let date = format!(
        "20{}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        20 + draw.below(6),
        1 + draw.below(12),
        1 + draw.below(28),
        draw.below(24),
        draw.below(60),
        draw.below(60)
    );
    let (customer, state, country) = (draw.below(10_000), draw.of(&STATES), draw.of(&COUNTRIES));
    let (house, street, city) = (1 + draw.below(999), draw.of(&WORDS), draw.of(&WORDS));
    let postcode = draw.below(100_000);
    let note = (0..12).map(|_| draw.of(&WORDS)).collect::<Vec<_>>().join(" ");
    let text = format!(
        "<order id=\"O{number:07}\" version=\"1\"><customerId>C{customer:05}</customerId><date>{date}</date>\
         <status>{state}</status><shipTo country=\"{country}\"><street>{house} {street} street</street>\
         <city>{city}ville</city><postcode>{postcode:05}</postcode></shipTo><total>{}.{:02}</total>\
         <lines>{lines}</lines><note>{note}</note></order>",
        total / 100,
        total % 100
    );
    (text, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_same_everywhere() {
        for (number, golden) in [
            (0, include_str!("../../golden/o0000000.xml")),
            (7, include_str!("../../golden/o0000007.xml")),
            (999, include_str!("../../golden/o0000999.xml")),
        ] {
            assert_eq!(order(number).0, golden.trim_end(), "{}", name(number));
        }
    }

    #[test]
    fn about_every_tenth_total_is_above_1000() {
        let large = (0..1_000).filter(|number| order(*number).1 > 100_000).count();
        assert!((50..150).contains(&large), "{large}");
    }
}
