//! Cardinal and ordinal numbers in English words, Roman numerals and letters.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(u128, &str); 11] = [
    (1_000_000_000_000_000_000_000_000_000_000_000, "decillion"),
    (1_000_000_000_000_000_000_000_000_000_000, "nonillion"),
    (1_000_000_000_000_000_000_000_000_000, "octillion"),
    (1_000_000_000_000_000_000_000_000, "septillion"),
    (1_000_000_000_000_000_000_000, "sextillion"),
    (1_000_000_000_000_000_000, "quintillion"),
    (1_000_000_000_000_000, "quadrillion"),
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];

/// `345` as `three hundred and forty-five`.
pub(super) fn cardinal(value: u128) -> String {
    if value < 20 {
        return ONES[value as usize].to_owned();
    }
    if value < 100 {
        let tens = TENS[(value / 10) as usize];
        return if value.is_multiple_of(10) {
            tens.to_owned()
        } else {
            format!("{tens}-{}", ONES[(value % 10) as usize])
        };
    }
    if value < 1_000 {
        let hundreds = format!("{} hundred", ONES[(value / 100) as usize]);
        return if value.is_multiple_of(100) { hundreds } else { format!("{hundreds} and {}", cardinal(value % 100)) };
    }
    let (scale, name) = SCALES.iter().find(|(scale, _)| value >= *scale).expect("a thousand is the least scale");
    let head = format!("{} {name}", cardinal(value / scale));
    match value % scale {
        0 => head,
        rest if rest < 100 => format!("{head} and {}", cardinal(rest)),
        rest => format!("{head} {}", cardinal(rest)),
    }
}

/// `21` as `twenty-first`.
pub(super) fn ordinal(value: u128) -> String {
    let words = cardinal(value);
    let at = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (head, last) = words.split_at(at);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        last => match last.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{last}th"),
        },
    };
    format!("{head}{last}")
}

/// `st`, `nd`, `rd` or `th`.
pub(super) fn ordinal_suffix(value: u128) -> &'static str {
    match (value % 100, value % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// Upper-case Roman numerals; `None` outside of 1 to 3999.
pub(super) fn roman(value: u128) -> Option<String> {
    const NUMERALS: [(u128, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&value) {
        return None;
    }
    let mut rest = value;
    let mut text = String::new();
    for (worth, numeral) in NUMERALS {
        while rest >= worth {
            text.push_str(numeral);
            rest -= worth;
        }
    }
    Some(text)
}

/// `a … z aa ab …` over an alphabet; `None` for zero.
pub(super) fn letters(value: u128, alphabet: &[char]) -> Option<String> {
    let base = alphabet.len() as u128;
    let mut rest = value;
    let mut text = Vec::new();
    while rest > 0 {
        rest -= 1;
        text.push(alphabet[(rest % base) as usize]);
        rest /= base;
    }
    (value > 0).then(|| text.into_iter().rev().collect())
}

/// Every word with a capital, as `Ww` asks, but `and`.
pub(super) fn title(words: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    let word = |word: &str| {
        if word == "and" { word.to_owned() } else { word.split('-').map(capital).collect::<Vec<_>>().join("-") }
    };
    words.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        assert_eq!(cardinal(1_234), "one thousand two hundred and thirty-four");
        assert_eq!(ordinal(21), "twenty-first");
        assert_eq!(ordinal(20), "twentieth");
        assert_eq!(roman(1994).unwrap(), "MCMXCIV");
        assert_eq!(letters(28, &['a', 'b', 'c']).unwrap(), "bca");
        assert_eq!(title("one hundred and twenty-one"), "One Hundred and Twenty-One");
    }
}
