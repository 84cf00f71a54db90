//! Plain HTTP on the client port: `/health`, `/ready`, `/metrics`, `/cluster/metrics`.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use phoenixmldb_proto::PublicError;
use phoenixmldb_types::Code;
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::exposition::{self, Family};
use std::fmt::Write;
use std::sync::Arc;

/// Why a node waits that was started without peers and that neither `init` nor `join` prepared.
pub const NOT_INITIALISED: &str = "not initialised: run init or join";

/// Whether a node serves, and why not.
#[derive(Clone)]
pub struct Readiness {
    reason: Arc<Mutex<Option<String>>>,
    cluster_id: Arc<Mutex<Option<String>>>,
    clock: Arc<dyn Clock>,
}

impl Readiness {
    /// Not yet.
    #[must_use]
    pub fn new(reason: &str, clock: Arc<dyn Clock>) -> Self {
        Self { reason: Arc::new(Mutex::new(Some(reason.to_owned()))), cluster_id: Arc::default(), clock }
    }

    /// Does not serve; says why.
    pub fn waits(&self, reason: impl Into<String>) {
        *self.reason.lock() = Some(reason.into());
    }

    /// The cluster it is started for, once that is known.
    pub fn belongs_to(&self, cluster_id: Option<String>) {
        *self.cluster_id.lock() = cluster_id;
    }

    /// The cluster it is started for.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.cluster_id.lock().clone()
    }

    /// Serves.
    pub fn serves(&self) {
        *self.reason.lock() = None;
    }

    /// Why it does not serve.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }

    /// Since the process started, in seconds.
    #[must_use]
    pub fn uptime_s(&self) -> u64 {
        self.clock.monotonic().as_secs()
    }
}

/// What a scrape shows.
#[derive(Clone, Debug, Default)]
pub struct Scraped {
    /// The metrics.
    pub families: Vec<Family>,
    /// What the control leader had applied, for a view of the cluster.
    pub control_applied: Option<u64>,
}

/// Something that can be scraped.
pub type Scrape = Arc<dyn Fn() -> futures::future::BoxFuture<'static, Scraped> + Send + Sync>;

/// Further metrics of a process, of its data role.
pub type MoreMetrics = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

/// None.
#[must_use]
pub fn no_more_metrics() -> MoreMetrics {
    Arc::new(Vec::new)
}

/// The pages of the port, and what they are for.
const PAGES: &[(&str, &str)] = &[
    ("/health", "whether the process runs"),
    ("/live", "the same"),
    ("/ready", "whether the node serves, and why not"),
    ("/metrics", "metrics of this process"),
    ("/cluster/metrics", "metrics of the whole cluster"),
];

#[derive(Clone)]
struct Pages {
    readiness: Readiness,
    metrics: Scrape,
    cluster_metrics: Scrape,
}

/// `3d 4h`, `4h 5m`, `5m 6s`, `6s`.
#[must_use]
pub fn span(seconds: u64) -> String {
    let parts = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut text = String::new();
    let mut shown = 0;
    for (size, unit) in parts {
        let count = left / size;
        left %= size;
        if count > 0 || (size == 1 && shown == 0) {
            let space = if shown == 0 { "" } else { " " };
            write!(text, "{space}{count}{unit}").expect("a string takes everything");
            shown += 1;
        }
        if shown == 2 {
            break;
        }
    }
    text
}

/// The routes.
pub fn routes(readiness: Readiness, metrics: Scrape, cluster_metrics: Scrape) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/live", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(|State(pages): State<Pages>| async move { scraped((pages.metrics)().await) }))
        .route(
            "/cluster/metrics",
            get(|State(pages): State<Pages>| async move { scraped((pages.cluster_metrics)().await) }),
        )
        .with_state(Pages { readiness, metrics, cluster_metrics })
}

/// Answers gRPC calls of a node that belongs to no cluster yet: `FORMING`, and why.
async fn forming(State(pages): State<Pages>) -> Response {
    let reason = pages.readiness.reason().unwrap_or_else(|| "starting".to_owned());
    let error = if reason == NOT_INITIALISED {
        PublicError::new(Code::NotInitialised, reason)
            .help("phoenixmldb-cluster init --help, or phoenixmldb-cluster join --help")
    } else {
        PublicError::new(Code::Forming, reason).help("phoenixmldb-cluster status")
    };
    let error = match pages.readiness.cluster_id() {
        Some(cluster_id) => error.with("cluster_id", cluster_id),
        None => error,
    };
    tonic::Status::from(error).into_http()
}

/// The routes of a node that belongs to no cluster yet.
pub fn forming_routes(readiness: Readiness) -> Router {
    let nothing: Scrape = Arc::new(|| futures::FutureExt::boxed(async { Scraped::default() }));
    let pages = Pages { readiness: readiness.clone(), metrics: nothing.clone(), cluster_metrics: nothing.clone() };
    routes(readiness, nothing.clone(), nothing).merge(Router::new().fallback(forming).with_state(pages))
}

async fn health(State(pages): State<Pages>) -> Response {
    let body = serde_json::json!({
        "status": "healthy",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": span(pages.readiness.uptime_s()),
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn ready(State(pages): State<Pages>) -> Response {
    match pages.readiness.reason() {
        None => (StatusCode::OK, "ready\n").into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

fn scraped(scraped: Scraped) -> Response {
    let body = exposition::text(&scraped.families);
    let mut response = ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], body).into_response();
    if let Some(applied) = scraped.control_applied {
        response.headers_mut().insert("x-control-applied", HeaderValue::from(applied));
    }
    response
}

/// Answers a path that no page has with the pages there are. gRPC calls go on to their services.
pub async fn listing(request: Request, next: Next) -> Response {
    let grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc || PAGES.iter().any(|(path, _)| request.uri().path() == *path) {
        return next.run(request).await;
    }
    let mut body = format!("no page {}; there are:\n", request.uri().path());
    for (path, what) in PAGES {
        writeln!(body, "  {path:<18}{what}").expect("a string takes everything");
    }
    (StatusCode::NOT_FOUND, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_parts() {
        for (seconds, text) in
            [(0, "0s"), (6, "6s"), (306, "5m 6s"), (3_600, "1h"), (273_600, "3d 4h"), (86_405, "1d 5s")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
