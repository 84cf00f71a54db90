//! The auction document of XMark: element structure and entity counts of the published schema, contents our own.
//!
//! A pure function of the factor, so that everyone measures the same bytes. Every one of the twenty queries runs on it
//! and, from factor 1 on, selects something: `person0`, the word "gold", keywords nested in lists four levels down,
//! people without homepage or income all occur. Schmidt et al., "XMark: a benchmark for XML data management", VLDB 2002.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A number below `bound` that is small more often than not: a product of `factors` uniform ones.
    fn skewed(&mut self, bound: u64, factors: u32) -> u64 {
        let first = self.below(bound);
        (1..factors).fold(first, |value, _| value * self.below(1000) / 1000)
    }

    /// A bell curve between two bounds.
    fn bell(&mut self, mean: i64, deviation: i64, least: i64, most: i64) -> i64 {
        let sum: i64 = (0..6).map(|_| i64::try_from(self.below(1000)).expect("below 1000")).sum();
        (mean + ((sum - 2997) * deviation).div_euclid(700)).clamp(least, most)
    }
}

const SYLLABLES: &str = "ba be bi bo bu da de di do du fa fe fi fo ka ke ki ko la le li lo ma me mi mo na ne ni no pa pe \
                         pi po ra re ri ro sa se si so ta te ti to va ve vi vo";
const COMMON: [&str; 10] = ["gold", "silver", "market", "letter", "house", "river", "stone", "paper", "music", "light"];
const COUNTRIES: [&str; 10] =
    ["Germany", "France", "Japan", "Brazil", "India", "Kenya", "Norway", "Chile", "Canada", "Spain"];
const PAYMENTS: [&str; 4] = ["Cash", "Creditcard", "Money order, Creditcard", "Personal Check, Cash"];
const SHIPPING: [&str; 3] =
    ["Will ship only within country", "Will ship internationally", "Buyer pays fixed shipping charges"];
const EDUCATION: [&str; 4] = ["High School", "College", "Graduate School", "Other"];
const REGIONS: [(&str, u32); 6] =
    [("africa", 550), ("asia", 2000), ("australia", 2200), ("europe", 6000), ("namerica", 10000), ("samerica", 1000)];

/// Words, sorted, with the common ones strewn in.
fn vocabulary() -> Vec<String> {
    let syllables: Vec<&str> = SYLLABLES.split(' ').collect();
    let mut random = SplitMix(4711);
    let mut words = BTreeSet::new();
    for _ in 0..12_000 {
        let length = 2 + random.below(3);
        let count = syllables.len() as u64;
        let word: String = (0..length).map(|_| syllables[random.below(count) as usize]).collect();
        words.insert(word);
    }
    let mut words: Vec<String> = words.into_iter().take(9000).collect();
    for (place, common) in (0..words.len()).step_by(900).zip(COMMON) {
        words[place] = common.to_owned();
    }
    words
}

fn capitalized(words: &[String]) -> Vec<String> {
    let upper = |word: &String| word[..1].to_uppercase() + &word[1..];
    words.iter().map(upper).collect()
}

struct Writer {
    random: SplitMix,
    out: String,
    words: Vec<String>,
    first_names: Vec<String>,
    last_names: Vec<String>,
    cities: Vec<String>,
    people: u64,
    categories: u64,
    open: u64,
}

macro_rules! put {
    ($self:ident, $($arg:tt)*) => { write!($self.out, $($arg)*).expect("writing to memory does not fail") };
}

/// The document for a factor: at 1 it has 21,750 items, 25,500 people, 12,000 open and 9,750 closed auctions, 77.6 MB.
#[must_use]
pub(crate) fn generate(factor: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small and positive")]
    let scaled = |count: u32| ((f64::from(count) * factor) as u64).max(1);
    let regions = REGIONS.map(|(name, count)| (name, scaled(count)));
    let items: u64 = regions.iter().map(|(_, count)| count).sum();
    let open = scaled(12_000).min(items - 1);
    let closed = scaled(9750).min(items - open);
    let words = vocabulary();
    let mut writer = Writer {
        random: SplitMix(20_020_520),
        out: String::new(),
        first_names: capitalized(&words[100..700]),
        last_names: capitalized(&words[1000..3000]),
        cities: capitalized(&words[4000..4200]),
        words,
        people: scaled(25_500),
        categories: scaled(1000),
        open,
    };
    writer.site(&regions, items, closed, scaled(1000));
    writer.out
}

impl Writer {
    fn site(&mut self, regions: &[(&str, u64)], items: u64, closed: u64, edges: u64) {
        put!(self, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<site>\n<regions>\n");
        let mut number = 0;
        for (region, count) in regions {
            put!(self, "<{region}>\n");
            for _ in 0..*count {
                self.item(number);
                number += 1;
            }
            put!(self, "</{region}>\n");
        }
        put!(self, "</regions>\n<categories>\n");
        for number in 0..self.categories {
            put!(self, "<category id=\"category{number}\">\n<name>");
            self.few_words(3);
            put!(self, "</name>\n");
            self.description();
            put!(self, "\n</category>\n");
        }
        put!(self, "</categories>\n<catgraph>\n");
        for _ in 0..edges {
            let (from, to) = (self.random.below(self.categories), self.random.below(self.categories));
            put!(self, "<edge from=\"category{from}\" to=\"category{to}\"/>\n");
        }
        put!(self, "</catgraph>\n<people>\n");
        for number in 0..self.people {
            self.person(number);
        }
        put!(self, "</people>\n<open_auctions>\n");
        for number in 0..self.open {
            self.open_auction(number);
        }
        put!(self, "</open_auctions>\n<closed_auctions>\n");
        for number in 0..closed {
            self.closed_auction((self.open + number) % items);
        }
        put!(self, "</closed_auctions>\n</site>\n");
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn words(&mut self, count: u64) {
        for index in 0..count {
            let word = self.random.skewed(self.words.len() as u64, 2) as usize;
            if index > 0 {
                self.out.push(' ');
            }
            self.out.push_str(&self.words[word]);
        }
    }

    /// One to `most` words.
    fn few_words(&mut self, most: u64) {
        let count = 1 + self.random.below(most);
        self.words(count);
    }

    fn text(&mut self) {
        self.out.push_str("<text>");
        for index in 0..2 + self.random.below(5) {
            if index > 0 {
                self.out.push(' ');
            }
            let count = 4 + self.random.below(14);
            self.words(count);
            match self.random.below(6) {
                0 => self.marked("keyword", 4),
                1 => self.marked("bold", 4),
                2 => {
                    self.out.push(' ');
                    self.out.push_str("<emph>");
                    if self.random.percent(40) {
                        self.few_words(2);
                        self.marked("keyword", 2);
                    } else {
                        self.few_words(4);
                    }
                    self.out.push_str("</emph>");
                }
                _ => {}
            }
        }
        self.out.push_str("</text>");
    }

    fn marked(&mut self, name: &str, most: u64) {
        put!(self, " <{name}>");
        self.few_words(most);
        put!(self, "</{name}>");
    }

    fn list(&mut self, depth: u32) {
        self.out.push_str("<parlist>");
        for _ in 0..2 + self.random.below(3) {
            self.out.push_str("<listitem>");
            if depth < 2 && self.random.percent(20) {
                self.list(depth + 1)
            } else {
                self.text()
            }
            self.out.push_str("</listitem>");
        }
        self.out.push_str("</parlist>");
    }

    fn description(&mut self) {
        self.out.push_str("<description>");
        if self.random.percent(30) {
            self.list(0)
        } else {
            self.text()
        }
        self.out.push_str("</description>");
    }

    fn date(&mut self) {
        let (month, day, year) = (self.random.below(12), self.random.below(28), self.random.below(4));
        put!(self, "{:02}/{:02}/{}", 1 + month, 1 + day, 1998 + year);
    }

    fn country(&mut self) {
        let number = self.random.below(25) as usize;
        let country = number.checked_sub(15).map_or("United States", |other| COUNTRIES[other]);
        self.out.push_str(country);
    }

    fn person_name(&mut self) {
        let (first, last) = (self.random.below(600) as usize, self.random.below(2000) as usize);
        put!(self, "{} {}", self.first_names[first], self.last_names[last]);
    }

    fn item(&mut self, number: u64) {
        let featured = if self.random.percent(10) { " featured=\"yes\"" } else { "" };
        put!(self, "<item id=\"item{number}\"{featured}>\n<location>");
        self.country();
        let quantity = 1 + self.random.skewed(6, 3);
        put!(self, "</location>\n<quantity>{quantity}</quantity>\n<name>");
        self.few_words(3);
        let payment = self.pick(&PAYMENTS);
        put!(self, "</name>\n<payment>{payment}</payment>\n");
        self.description();
        let shipping = self.pick(&SHIPPING);
        put!(self, "\n<shipping>{shipping}</shipping>\n");
        for _ in 0..1 + self.random.skewed(6, 2) {
            let category = self.random.below(self.categories);
            put!(self, "<incategory category=\"category{category}\"/>\n");
        }
        put!(self, "<mailbox>\n");
        for _ in 0..self.random.skewed(5, 2) {
            put!(self, "<mail>\n<from>");
            self.person_name();
            put!(self, "</from>\n<to>");
            self.person_name();
            put!(self, "</to>\n<date>");
            self.date();
            put!(self, "</date>\n");
            self.text();
            put!(self, "\n</mail>\n");
        }
        put!(self, "</mailbox>\n</item>\n");
    }

    fn person(&mut self, number: u64) {
        let (first, last) = (self.random.below(600) as usize, self.random.below(2000) as usize);
        let name = self.last_names[last].clone();
        let host = self.random.below(self.words.len() as u64) as usize;
        put!(self, "<person id=\"person{number}\">\n<name>{} {name}</name>\n", self.first_names[first]);
        put!(self, "<emailaddress>mailto:{name}@{}.example</emailaddress>\n", self.words[host]);
        if self.random.percent(50) {
            let (land, area) = (self.random.below(100), self.random.below(1000));
            put!(self, "<phone>+{land} ({area}) {}</phone>\n", self.random.below(100_000_000));
        }
        if self.random.percent(40) {
            self.address();
        }
        if self.random.percent(50) {
            let host = self.random.below(self.words.len() as u64) as usize;
            put!(self, "<homepage>http://www.{}.example/~{name}</homepage>\n", self.words[host]);
        }
        if self.random.percent(25) {
            let mut group = || 1000 + self.random.below(9000);
            let (a, b, c, d) = (group(), group(), group(), group());
            put!(self, "<creditcard>{a} {b} {c} {d}</creditcard>\n");
        }
        if self.random.percent(50) {
            self.profile();
        }
        if self.random.percent(50) {
            put!(self, "<watches>\n");
            for _ in 0..self.random.skewed(12, 2) {
                put!(self, "<watch open_auction=\"open_auction{}\"/>\n", self.random.below(self.open));
            }
            put!(self, "</watches>\n");
        }
        put!(self, "</person>\n");
    }

    fn address(&mut self) {
        let (number, street) = (1 + self.random.below(100), self.random.below(2000) as usize);
        let city = self.random.below(200) as usize;
        put!(self, "<address>\n<street>{number} {} St</street>\n", self.last_names[street]);
        put!(self, "<city>{}</city>\n<country>", self.cities[city]);
        self.country();
        put!(self, "</country>\n");
        if self.random.percent(25) {
            let province = self.random.below(2000) as usize;
            put!(self, "<province>{}</province>\n", self.last_names[province]);
        }
        put!(self, "<zipcode>{}</zipcode>\n</address>\n", 1 + self.random.below(99));
    }

    fn profile(&mut self) {
        put!(self, "<profile");
        if self.random.percent(99) {
            let cents = self.random.bell(4_500_000, 3_000_000, 987_600, 20_000_000);
            put!(self, " income=\"{}.{:02}\"", cents / 100, cents % 100);
        }
        put!(self, ">\n");
        for _ in 0..self.random.skewed(12, 2) {
            put!(self, "<interest category=\"category{}\"/>\n", self.random.below(self.categories));
        }
        if self.random.percent(25) {
            let education = self.pick(&EDUCATION);
            put!(self, "<education>{education}</education>\n");
        }
        if self.random.percent(50) {
            let gender = self.pick(&["male", "female"]);
            put!(self, "<gender>{gender}</gender>\n");
        }
        let business = self.pick(&["Yes", "No"]);
        put!(self, "<business>{business}</business>\n");
        if self.random.percent(30) {
            put!(self, "<age>{}</age>\n", 18 + self.random.skewed(60, 2));
        }
        put!(self, "</profile>\n");
    }

    fn annotation(&mut self) {
        put!(self, "<annotation>\n<author person=\"person{}\"/>\n", self.random.below(self.people));
        self.description();
        put!(self, "\n<happiness>{}</happiness>\n</annotation>\n", 1 + self.random.below(10));
    }

    fn open_auction(&mut self, number: u64) {
        let initial = self.random.skewed(30_000, 3) + 150;
        let mut current = initial;
        put!(self, "<open_auction id=\"open_auction{number}\">\n<initial>{}</initial>\n", money(initial));
        if self.random.percent(50) {
            #[allow(clippy::cast_precision_loss, reason = "amounts are below 2^53")]
            let reserve = (initial * (110 + self.random.below(300))) as f64 / 10_000.0;
            put!(self, "<reserve>{reserve:.2}</reserve>\n");
        }
        for _ in 0..self.random.skewed(20, 2) {
            let increase = 150 * (1 + self.random.skewed(40, 3));
            current += increase;
            put!(self, "<bidder>\n<date>");
            self.date();
            let (hour, minute, second) = (self.random.below(24), self.random.below(60), self.random.below(60));
            let person = if self.random.percent(50) {
                self.random.skewed(self.people, 2)
            } else {
                self.random.below(self.people)
            };
            put!(self, "</date>\n<time>{hour:02}:{minute:02}:{second:02}</time>\n");
            put!(self, "<personref person=\"person{person}\"/>\n<increase>{}</increase>\n</bidder>\n", money(increase));
        }
        put!(self, "<current>{}</current>\n", money(current));
        if self.random.percent(50) {
            put!(self, "<privacy>Yes</privacy>\n");
        }
        put!(self, "<itemref item=\"item{number}\"/>\n<seller person=\"person{}\"/>\n", self.random.below(self.people));
        self.annotation();
        let kind = self.pick(&["Regular", "Featured"]);
        put!(self, "<quantity>1</quantity>\n<type>{kind}</type>\n<interval>\n<start>");
        self.date();
        put!(self, "</start>\n<end>");
        self.date();
        put!(self, "</end>\n</interval>\n</open_auction>\n");
    }

    fn closed_auction(&mut self, item: u64) {
        let (seller, buyer) = (self.random.below(self.people), self.random.below(self.people));
        let price = 150 + self.random.skewed(30_000, 2);
        put!(self, "<closed_auction>\n<seller person=\"person{seller}\"/>\n<buyer person=\"person{buyer}\"/>\n");
        put!(self, "<itemref item=\"item{item}\"/>\n<price>{}</price>\n<date>", money(price));
        self.date();
        let kind = self.pick(&["Regular", "Featured"]);
        put!(self, "</date>\n<quantity>1</quantity>\n<type>{kind}</type>\n");
        self.annotation();
        put!(self, "</closed_auction>\n");
    }
}

/// Cents as an amount.
fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::generate;

    /// FNV-1a, 64 bits.
    fn fingerprint(text: &str) -> u64 {
        text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
    }

    #[test]
    fn a_factor_always_gives_the_same_bytes() {
        let document = generate(0.01);
        assert_eq!((document.len(), fingerprint(&document)), (LENGTH, FINGERPRINT));
    }

    const LENGTH: usize = 804_860;
    const FINGERPRINT: u64 = 0x75BA_3348_E160_D839;
}
