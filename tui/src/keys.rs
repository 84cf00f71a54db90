//! Which keys do something here: the bottom line and the help are drawn from these tables.

use crate::model::{Model, Screen};

/// A key and what it does.
pub type Hint = (&'static str, &'static str);

/// Keys that do something now, the most useful first: a narrow line shows the first ones.
#[must_use]
pub fn hints(model: &Model) -> Vec<Hint> {
    if model.typing.is_some() {
        return vec![("enter", "apply"), ("esc", "cancel")];
    }
    if model.help {
        return vec![("esc", "close"), ("q", "close")];
    }
    let mut hints: Vec<Hint> = match model.screen {
        Screen::Overview => vec![("2", "shards")],
        Screen::Shards => vec![("1", "overview")],
    };
    hints.extend([("?", "help"), ("q", "quit")]);
    match model.screen {
        Screen::Overview => hints.extend([("tab", "panel"), ("arrows", "move"), ("s", "sort")]),
        Screen::Shards => hints.extend([("arrows", "cell"), ("h", "heat"), ("z", "dense")]),
    }
    hints.extend([("/", "filter"), ("F", "faults")]);
    hints.push(if model.stopped_at.is_some() { ("p", "live") } else { ("p", "pause") });
    hints.extend([("< >", "scrub"), ("y", "copy command")]);
    if model.colors {
        hints.push(("C", "palette"));
    }
    hints
}

/// The help of a screen: topic and what belongs to it.
#[must_use]
pub fn help(model: &Model) -> Vec<Hint> {
    let mut lines = vec![("Screens", "1 overview   2 shards   q quit")];
    lines.extend(match model.screen {
        Screen::Overview => [
            ("Move", "arrows, tab next panel"),
            ("Look", "s sort   S reverse   / filter (regex, ! inverse)   F faults only"),
        ],
        Screen::Shards => [
            ("Move", "arrows: left right shard, up down node"),
            ("Look", "h heat   z dense   / filter nodes (regex, ! inverse)   F faults only"),
        ],
    });
    lines.extend([
        ("Time", "p pause and go on   < > one step back or forth, up to 15 minutes"),
        ("Copy", "y the command for what is marked, to the clipboard and to the line below"),
    ]);
    if model.colors {
        lines.push(("Colours", "C next palette: default, cb, mono"));
    }
    lines.push(("Marks", "! act   ~ look   > cursor   - not known"));
    match model.screen {
        Screen::Overview => lines.extend([
            ("p50 p99", "of the slowest node: percentiles of nodes cannot be added"),
            ("lag", "entries the node's furthest copy is behind its leader"),
        ]),
        Screen::Shards => lines.extend([
            ("Cells", "L leader  f follower  l learner   > moving  ~ lagging  x down  ? unknown"),
            ("Shade", "part of the hottest shard, of all copies alike; lag is each copy's own"),
            ("skew", "how far the largest is above the mean"),
        ]),
    }
    lines
}
