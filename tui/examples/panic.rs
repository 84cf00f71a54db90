//! Panics while it owns the terminal; a test looks at what is left of the terminal afterwards.

use phoenixmldb_tui::model::Model;
use phoenixmldb_tui::terminal::Screen;

fn main() -> std::io::Result<()> {
    let mut screen = Screen::open()?;
    screen.draw(&Model::new(1_000, 0))?;
    panic!("a bug in the middle of a frame");
}
