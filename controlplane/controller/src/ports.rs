//! The two ports of a node: opened before anything else, so that a node can be asked why it does not serve yet.
//!
//! A port serves whatever router it was given last. gRPC and HTTP/1.1 share it.

use crate::error::StartError;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt;

/// A listening port.
pub struct Port {
    address: SocketAddr,
    router: watch::Sender<Router>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

async fn dispatch(State(router): State<watch::Receiver<Router>>, request: Request) -> Response<Body> {
    let current = router.borrow().clone();
    match current.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

impl Port {
    /// Opens a port on `host` and serves `router` on `runtime`. Port 0 takes a free one. Error: in use, or not allowed.
    pub async fn open(
        host: &str,
        port: u16,
        router: Router,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, StartError> {
        let fault = |error: std::io::Error| {
            let reason = match error.kind() {
                std::io::ErrorKind::AddrInUse => "in use".to_owned(),
                _ => format!("on {host}: {error}"),
            };
            StartError::Port { port, reason }
        };
        let listener = TcpListener::bind((host, port)).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let listener = listener.into_std().map_err(fault)?;
        let router = watch::Sender::new(router);
        let app = Router::new().fallback(dispatch).with_state(router.subscribe());
        let stop = watch::Sender::new(false);
        let mut stopped = stop.subscribe();
        let task = runtime.spawn(async move {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "a port cannot be served");
                    return;
                }
            };
            let listener = listener.tap_io(|stream| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps Nagle's algorithm");
                }
            });
            let served = axum::serve(listener, app).with_graceful_shutdown(async move {
                // The sender lives as long as the port.
                drop(stopped.wait_for(|stopped| *stopped).await);
            });
            if let Err(error) = served.await {
                tracing::error!(%error, "a port is no longer served");
            }
        });
        Ok(Self { address, router, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves another router from now on.
    pub fn serve(&self, router: Router) {
        drop(self.router.send_replace(router));
    }

    /// Takes no new connections, finishes what runs, at most for `limit`.
    pub async fn stop(self, limit: std::time::Duration) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
    }
}
