//! The terminal dashboard: a cluster's health, work and balance on two screens, and the same as text and JSON.
//!
//! | file | what |
//! |---|---|
//! | [`model`], [`mod@update`], [`mod@view`] | what is on screen, how it changes, how it is drawn; all pure |
//! | [`facts`], [`attention`], [`history`] | what follows from a snapshot; what needs someone; the last minutes |
//! | [`format`], [`theme`], [`keys`] | numbers and cuts; colours by meaning; which keys do something here |
//! | [`feed`], [`record`] | a watched cluster or a recording becomes events |
//! | [`terminal`] | the driver: keys and events in, frames out, the terminal restored on every exit |
//! | [`options`] | the command line, and what the surroundings allow |
//!
//! It reads the admin API through the client and changes nothing in the cluster.

pub mod attention;
pub mod error;
pub mod event;
pub mod facts;
pub mod feed;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod history;
pub mod keys;
pub mod limits;
pub mod model;
pub mod options;
pub mod record;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;

use event::Event;
use feed::{Sink, now_ms};
use model::Model;
use phoenixmldb_client::Client;
use phoenixmldb_types::clock::Clock;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use record::Record;
use std::io::Write;
use std::sync::Arc;
use theme::Palette;
use tokio::sync::mpsc;

pub use error::TuiError;
pub use options::{Options, Surroundings};

/// How the dashboard is started.
pub struct Start {
    /// The cluster; not asked where a recording is shown.
    pub client: Client,
    /// What was asked for.
    pub options: Options,
    /// What is possible here.
    pub surroundings: Surroundings,
    /// How a command for this cluster begins: `phoenixmldb-cluster --endpoint …`.
    pub program: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Runs in the mode that was asked for and that is possible here; text goes to `out`.
///
/// Errors: see [`TuiError`]. A reader of `out` that went away is none.
pub async fn run(start: Start, out: &mut (dyn Write + Send)) -> Result<(), TuiError> {
    let done = match (start.options.json, start.options.once || !start.surroundings.terminal) {
        (true, _) if start.options.watch => print_all(start, out).await,
        (true, _) => print_json(start, out).await,
        (false, true) => print_frame(start, out).await,
        (false, false) => interactive(start).await,
    };
    match done {
        Err(TuiError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

impl Start {
    fn model(&self) -> Model {
        let mut model = Model::new(self.options.interval.0, now_ms(&*self.clock));
        model.open(self.options.screen);
        model.colors = self.surroundings.colors;
        model.palette = if model.colors { self.options.palette.unwrap_or_default() } else { Palette::Mono };
        model.ascii = self.options.ascii || !self.surroundings.utf8;
        model.program.clone_from(&self.program);
        model
    }

    /// The snapshots there are now: one of a cluster, all of a recording.
    async fn now(&self) -> Result<Vec<Record>, TuiError> {
        let records = match &self.options.replay {
            Some(file) => record::read(file)?.into_iter().map(|(_, record)| record).collect(),
            None => vec![Record::ClusterSnapshot(Arc::new(feed::snapshot(&self.client).await?))],
        };
        if let Some(mut file) = self.recording()? {
            for record in &records {
                file.write_all((record.line() + "\n").as_bytes()).map_err(TuiError::File)?;
            }
        }
        Ok(records)
    }

    fn recording(&self) -> Result<Option<fs_err::File>, TuiError> {
        self.options.record.as_ref().map(|path| fs_err::File::create(path).map_err(TuiError::File)).transpose()
    }

    /// Feeds events until nobody listens any more.
    async fn feed(&self, events: mpsc::Sender<Event>) -> Result<(), TuiError> {
        let sink = Sink::new(events, self.clock.clone(), self.recording()?);
        match &self.options.replay {
            Some(file) => feed::play(record::read(file)?, sink).await,
            None => feed::watch(self.client.clone(), self.options.interval.0, sink).await,
        }
    }
}

async fn interactive(start: Start) -> Result<(), TuiError> {
    let (events, feed) = mpsc::channel(limits::WAITING_ITEMS_MAX);
    // What cannot be opened is said before the terminal is taken.
    if let Some(file) = &start.options.replay {
        record::read(file)?;
    }
    tokio::select! {
        fed = start.feed(events) => fed,
        driven = terminal::drive(start.model(), feed, &*start.clock) => driven,
    }
}

/// The frame of a model as it would be on a terminal of this width and as high as it needs.
#[must_use]
pub fn frame(model: &Model, columns: u16) -> Buffer {
    let area = Rect::new(0, 0, columns, view::lines_wanted(model, columns));
    let mut buffer = Buffer::empty(area);
    view::draw(model, area, &mut buffer);
    buffer
}

async fn print_frame(start: Start, out: &mut (dyn Write + Send)) -> Result<(), TuiError> {
    let mut model = start.model();
    for record in start.now().await? {
        let at_ms = now_ms(&*start.clock);
        update::update(
            &mut model,
            match record {
                Record::ClusterSnapshot(cluster) => Event::Seen { at_ms, cluster },
                Record::ClusterLost(lost) => Event::Lost { at_ms, reason: lost.reason },
            },
        );
    }
    if start.options.replay.is_some() {
        update::update(&mut model, Event::Ended);
    }
    if let Some(file) = &start.options.svg {
        // A picture shows the screen as it is used, and paper has no locale.
        model.palette = start.options.palette.unwrap_or_default();
        model.ascii = start.options.ascii;
        let name = model.cluster().map_or("", |cluster| cluster.cluster_id.as_str());
        let picture = view::svg::picture(&frame(&model, start.options.width), &format!("Dashboard of {name}"));
        return fs_err::write(file, picture).map_err(TuiError::File);
    }
    model.interactive = false;
    print(out, &view::plain::text(&frame(&model, start.options.width)))
}

async fn print_json(start: Start, out: &mut (dyn Write + Send)) -> Result<(), TuiError> {
    let records = start.now().await?;
    let newest = records.iter().rev().find(|record| matches!(record, Record::ClusterSnapshot(_)));
    newest.map_or(Ok(()), |record| print(out, &(record.line() + "\n")))
}

async fn print_all(start: Start, out: &mut (dyn Write + Send)) -> Result<(), TuiError> {
    let (events, mut feed) = mpsc::channel(limits::WAITING_ITEMS_MAX);
    let clock = start.clock.clone();
    let printing = async {
        while let Some(event) = feed.recv().await {
            let record = match event {
                Event::Seen { cluster, .. } => Record::ClusterSnapshot(cluster),
                Event::Lost { reason, .. } => Record::ClusterLost(record::Lost { taken_ms: clock.wall_ms(), reason }),
                Event::Ended => break,
                Event::Key(_) | Event::Resized | Event::Tick { .. } => continue,
            };
            print(out, &(record.line() + "\n"))?;
        }
        Ok(())
    };
    tokio::select! {
        fed = start.feed(events) => fed,
        printed = printing => printed,
    }
}

fn print(out: &mut (dyn Write + Send), text: &str) -> Result<(), TuiError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(TuiError::Output)
}
