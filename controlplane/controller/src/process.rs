//! What both server programs have in common: folder, ports, cluster, groups, and an orderly end.
//!
//! ```text
//!  Process::start ─► find_cluster ─► open_groups ─► [Controller::start] ─► [data role] ─► serve ─► until a signal
//!   folder, ports     greetings       raftdb                                              routers swapped in
//! ```

use crate::client::{ControlClient, hello};
use crate::config::{Given, Origin, check_settings};
use crate::controller::Controller;
use crate::data_dir::{DataDir, Member, Membership};
use crate::error::StartError;
use crate::forming::{Hello, Step, decide, two_lives};
use crate::http::{MoreMetrics, NOT_INITIALISED, Readiness, Scrape, Scraped, forming_routes, listing, routes};
use crate::limits::HELLO_INTERVAL_MS;
use crate::link::Link;
use crate::metrics;
use crate::ports::Port;
use crate::rpc::{AdminRpc, ControlRpc, Introduction, Rejections, View, hello_from_wire, hello_to_wire};
use axum::Router;
use futures::FutureExt;
use parking_lot::Mutex;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::cluster_service_server::ClusterServiceServer;
use phoenixmldb_proto::internal::NodeDescription;
use phoenixmldb_proto::internal::control_service_server::ControlServiceServer;
use phoenixmldb_raft::{Groups, GroupsConfig, Peer, Timing, rpc};
use phoenixmldb_raft_rocks::RocksLog;
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::intent::{BootstrapIntent, INTENT_FILE};
use phoenixmldb_types::{ClusterId, ClusterMap, Code, NodeName, Settings};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tonic::service::RoutesBuilder;

/// What a node is started with, checked.
#[derive(Clone)]
pub struct ProcessConfig {
    /// Name of the node.
    pub node_id: NodeName,
    /// Its folder.
    pub data: PathBuf,
    /// Address the client port listens on.
    pub bind: String,
    /// Address the peer port listens on.
    pub raft_bind: String,
    /// Client port; 0 takes a free one.
    pub port: u16,
    /// Peer port; 0 takes a free one.
    pub raft_port: u16,
    /// Host, or `host:port`, that others reach the client port by.
    pub advertise: Option<String>,
    /// Host, or `host:port`, that others reach the peer port by.
    pub advertise_raft: Option<String>,
    /// May vote in the control group.
    pub controller: bool,
    /// Holds shards.
    pub data_role: bool,
    /// Where it stands.
    pub zone: String,
    /// The cluster, if it was named.
    pub cluster_id: Option<ClusterId>,
    /// Other first voters.
    pub peers: Vec<String>,
    /// Names that peers have to answer with, by address, where they were given.
    pub peer_ids: BTreeMap<String, NodeName>,
    /// Members of a cluster to join.
    pub bootstrap: Vec<String>,
    /// A cluster of one forms at once, without peers or `init`.
    pub alone: bool,
    /// Settings, should this node form the cluster.
    pub settings: Settings,
    /// Which of them somebody gave, and who.
    pub given: Vec<Given>,
    /// Clocks.
    pub clock: Arc<dyn Clock>,
    /// Runtime of Raft and the peer port.
    pub raft_runtime: tokio::runtime::Handle,
}

/// A node whose ports are open.
pub struct Process {
    config: ProcessConfig,
    dir: Arc<DataDir>,
    own: Member,
    client_address: String,
    client_port: Port,
    peer_port: Port,
    introduction: Introduction,
    rejections: Rejections,
    readiness: Readiness,
}

/// The address others reach a port by.
fn advertised(config: &ProcessConfig, bind: &str, given: Option<&String>, port: u16) -> Result<String, StartError> {
    let resolves = |address: &str| address.to_socket_addrs().is_ok_and(|mut found| found.next().is_some());
    if let Some(given) = given {
        let address = if given.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            given.clone()
        } else {
            format!("{given}:{port}")
        };
        if resolves(&address) {
            return Ok(address);
        }
        return Err(StartError::Advertise(given.clone()));
    }
    if bind.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return Ok(format!("{bind}:{port}"));
    }
    let by_name = format!("{}:{port}", config.node_id);
    if resolves(&by_name) {
        return Ok(by_name);
    }
    // The address this machine would use towards its peers; nothing is sent.
    let towards = config.peers.iter().chain(&config.bootstrap).find_map(|peer| {
        let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
        socket.connect(peer).ok()?;
        socket.local_addr().ok()
    });
    Ok(towards.map_or_else(|| format!("127.0.0.1:{port}"), |address| format!("{}:{port}", address.ip())))
}

impl Process {
    /// Locks the folder and opens both ports. Nothing is served yet but health and greetings.
    pub async fn start(mut config: ProcessConfig) -> Result<Self, StartError> {
        let dir = Arc::new(DataDir::open(&config.data)?);
        let identity = dir.identity(&config.node_id)?;
        let readiness = Readiness::new("starting", config.clock.clone());
        let member = Member {
            name: config.node_id.clone(),
            raft_id: identity.raft_id,
            peer_address: String::new(),
            data: config.data_role,
        };
        apply_intent(&mut config, &dir)?;
        let introduction: Introduction = Arc::new(Mutex::new(Hello {
            member,
            controller: config.controller,
            cluster_id: config.cluster_id.clone(),
            incarnation: None,
            peers: config.peers.clone(),
            voters: Vec::new(),
        }));
        let here = tokio::runtime::Handle::current();
        readiness.belongs_to(config.cluster_id.as_ref().map(ToString::to_string));
        let health = forming_routes(readiness.clone());
        let client_port = Port::open(&config.bind, config.port, health, &here).await?;
        let rejections = Rejections::default();
        let greet = ControlServiceServer::new(ControlRpc::new(introduction.clone(), rejections.clone(), None));
        let mut greetings = RoutesBuilder::default();
        greetings.add_service(greet);
        let greetings = greetings.routes().prepare().into_axum_router();
        let peer_port = Port::open(&config.raft_bind, config.raft_port, greetings, &config.raft_runtime).await?;
        let client_address =
            advertised(&config, &config.bind, config.advertise.as_ref(), client_port.address().port())?;
        let given = config.advertise_raft.clone().or_else(|| {
            // One host is advertised for both ports unless they are told apart.
            let host = config.advertise.as_ref()?;
            Some(host.rsplit_once(':').map_or(host.clone(), |(host, _)| host.to_owned()))
        });
        let peer_address = advertised(&config, &config.raft_bind, given.as_ref(), peer_port.address().port())?;
        config.peers.retain(|peer| *peer != peer_address);
        let own = {
            let mut own = introduction.lock();
            own.member.peer_address = peer_address;
            own.peers = config.peers.clone();
            own.member.clone()
        };
        Ok(Self { config, dir, own, client_address, client_port, peer_port, introduction, rejections, readiness })
    }

    /// Who this node is.
    #[must_use]
    pub fn own(&self) -> &Member {
        &self.own
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Arc<DataDir> {
        &self.dir
    }

    /// Whether it serves.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// `host:port` of the client port, as others reach it.
    #[must_use]
    pub fn client_address(&self) -> &str {
        &self.client_address
    }

    /// What it was started with, after what `init` or `join` recorded.
    #[must_use]
    pub fn config(&self) -> &ProcessConfig {
        &self.config
    }

    /// The cluster of this folder, or greets others until there is one. Error: it cannot work with these peers.
    pub async fn find_cluster(&mut self) -> Result<Membership, StartError> {
        if let Some(known) = self.dir.read::<Membership>("membership.json")? {
            if let Some(given) = &self.config.cluster_id
                && *given != known.cluster_id
            {
                let text = format!(
                    "this data directory belongs to cluster {:?}, not {:?}",
                    known.cluster_id.as_str(),
                    given.as_str()
                );
                return Err(StartError::WrongCluster(text));
            }
            self.introduce(&known);
            return Ok(known);
        }
        let default = ClusterId::parse("default").expect("a checked name");
        let mut told = String::new();
        loop {
            let step = if self.config.alone
                || !self.config.peers.is_empty()
                || !self.config.bootstrap.is_empty()
                || self.has_intent()?
            {
                let heard = self.greet().await?;
                let own = self.introduction.lock().clone();
                decide(&own, &self.config.bootstrap, &heard, &default)
            } else {
                apply_intent(&mut self.config, &self.dir)?;
                let mut own = self.introduction.lock();
                own.cluster_id = self.config.cluster_id.clone();
                own.peers = self.config.peers.clone();
                Step::Wait(NOT_INITIALISED.to_owned())
            };
            match step {
                Step::Vote(membership) | Step::Join(membership) => {
                    self.dir.write("membership.json", &membership)?;
                    self.introduce(&membership);
                    tracing::info!(cluster = %membership.cluster_id, incarnation = %membership.incarnation, "belongs to a cluster");
                    return Ok(membership);
                }
                Step::Wait(reason) => {
                    if reason != told {
                        tracing::info!("{reason}");
                        self.readiness.waits(reason.clone());
                        told = reason;
                    }
                }
                // Stays up and says so, because only an operator can help.
                Step::IdentityLost(reason) => {
                    if reason != told {
                        tracing::error!("{reason}");
                        self.readiness.waits(reason.clone());
                        told = reason;
                    }
                }
                Step::WrongCluster(reason) => return Err(StartError::WrongCluster(reason)),
            }
            tokio::time::sleep(Duration::from_millis(HELLO_INTERVAL_MS)).await;
        }
    }

    fn has_intent(&self) -> Result<bool, StartError> {
        Ok(self.dir.read::<BootstrapIntent>(INTENT_FILE)?.is_some())
    }

    /// Who this node votes for is known: others may learn it from its greeting.
    fn introduce(&self, membership: &Membership) {
        let mut own = self.introduction.lock();
        own.cluster_id = Some(membership.cluster_id.clone());
        own.incarnation = Some(membership.incarnation.clone());
        own.voters.clone_from(&membership.voters);
    }

    /// Greets all peers at once; who does not answer is left out. Error: one refuses for good.
    async fn greet(&self) -> Result<BTreeMap<String, Hello>, StartError> {
        let greeting = hello_to_wire(&self.introduction.lock());
        let asked = self.config.peers.iter().chain(&self.config.bootstrap).map(|address| {
            let greeting = greeting.clone();
            async move { (address.clone(), hello(address, greeting).await) }
        });
        let mut heard = BTreeMap::new();
        for (address, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(answer) => match hello_from_wire(&answer) {
                    Ok(other) => {
                        self.expected(&address, &other)?;
                        heard.insert(address, other);
                    }
                    Err(rule) => tracing::warn!(%address, %rule, "a greeting cannot be read"),
                },
                Err(error) if error.code == Code::WrongCluster => return Err(StartError::WrongCluster(error.message)),
                Err(error) if matches!(error.code, Code::Unsupported | Code::Forming | Code::NotInitialised) => {
                    let text = format!("{address}: that is the client port; use the raft port (5433)");
                    return Err(StartError::WrongCluster(text));
                }
                Err(error) => tracing::debug!(%address, %error, "no answer to a greeting"),
            }
        }
        Ok(heard)
    }

    /// Whether a peer is who the configuration says. Error: it is not.
    fn expected(&self, address: &str, other: &Hello) -> Result<(), StartError> {
        match self.config.peer_ids.get(address) {
            Some(expected) if *expected != other.member.name => {
                let found = &other.member.name;
                Err(StartError::WrongCluster(format!(
                    "{address} answers as {found}, the configuration says {expected}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Ends when one of the configured peers turns out to live another life of this cluster, which no restart of either
    /// mends: two nodes were initialised by mistake. Peers are asked until each has answered once.
    pub async fn stranger(&self, membership: &Membership) -> StartError {
        let mut left: Vec<String> = self.config.peers.iter().chain(&self.config.bootstrap).cloned().collect();
        while !left.is_empty() {
            let greeting = hello_to_wire(&self.introduction.lock());
            let asked = left.iter().map(|address| hello(address, greeting.clone()));
            let answers = futures::future::join_all(asked).await;
            let mut silent = Vec::new();
            for (address, answer) in left.into_iter().zip(answers) {
                match answer.as_ref().map(hello_from_wire) {
                    Ok(Ok(other)) => {
                        if let Some(life) = other.incarnation.filter(|life| *life != membership.incarnation) {
                            return StartError::WrongCluster(two_lives(
                                (&self.own.name, &membership.incarnation),
                                (&other.member.name, &life),
                            ));
                        }
                    }
                    Err(error) if error.code == Code::WrongCluster => {
                        return StartError::WrongCluster(error.message.clone());
                    }
                    Ok(Err(_)) | Err(_) => silent.push(address),
                }
            }
            left = silent;
            tokio::time::sleep(Duration::from_millis(HELLO_INTERVAL_MS * 5)).await;
        }
        std::future::pending().await
    }

    /// Settings that hold here: those of the cluster where they are known.
    pub fn settings(&self) -> Result<Settings, StartError> {
        let known = self.dir.read::<ClusterMap>("map.json")?.map(|map| map.settings);
        if let Some(known) = &known {
            let typed = |given: &&Given| matches!(given.origin, Origin::Flag(_) | Origin::Env(_));
            let shards = self.config.given.iter().filter(typed).find(|given| given.key == "sharding.shardCount");
            if let Some(given) = shards.filter(|given| given.value != known.shard_count.to_string()) {
                let (known, origin) = (known.shard_count, given.origin.clone());
                return Err(StartError::ShardCount { known, given: given.value.clone(), origin });
            }
        }
        let settings = known.unwrap_or_else(|| self.config.settings.clone());
        check_settings(&settings).map_err(|error| StartError::Fault(error.to_string()))?;
        Ok(settings)
    }

    /// Opens raftdb. `on_fatal` hears of a group that has stopped for good.
    pub fn open_groups(
        &self,
        membership: &Membership,
        on_fatal: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Result<Arc<Groups>, StartError> {
        let settings = self.settings()?;
        let log = RocksLog::open(&self.dir.path().join("raftdb")).map_err(|e| StartError::Fault(e.to_string()))?;
        let config = GroupsConfig {
            own: Peer {
                raft_id: self.own.raft_id.0,
                name: self.own.name.to_string(),
                address: self.own.peer_address.clone(),
            },
            cluster_id: membership.cluster_id.to_string(),
            timing: Timing {
                election_timeout_min_ms: settings.election_timeout_min_ms,
                election_timeout_max_ms: settings.election_timeout_max_ms,
                heartbeat_ms: settings.heartbeat_ms,
            },
            snapshot_threshold: settings.snapshot_threshold,
            max_log_entries: settings.max_log_entries,
            runtime: self.config.raft_runtime.clone(),
            on_fatal: Arc::new(move |group, reason| on_fatal(format!("Raft group {group} stopped: {reason}"))),
        };
        let transport =
            rpc::GrpcTransport::new(config.cluster_id.clone(), self.own.raft_id.0, self.config.raft_runtime.clone());
        Ok(Groups::new(config, Arc::new(log), transport))
    }

    /// Takes part in the control group, if this node is one of its voters.
    pub async fn start_controller(
        &self,
        groups: &Arc<Groups>,
        membership: &Membership,
    ) -> Result<Option<Arc<Controller>>, StartError> {
        if !membership.voters.iter().any(|voter| voter.raft_id == self.own.raft_id) {
            return Ok(None);
        }
        let (name, path) = (self.own.name.clone(), self.dir.path());
        let settings = self.config.settings.clone();
        let clock = self.config.clock.clone();
        let controller = Controller::start(name, path, groups, membership.clone(), settings, clock).await?;
        tokio::spawn(controller.clone().run());
        Ok(Some(controller))
    }

    /// The tie to the control plane.
    pub fn link(&self, membership: &Membership, votes: bool) -> Result<Link, StartError> {
        // This node may have another port than when it first voted.
        let address = |voter: &Member| {
            if *voter.name.as_str() == *self.own.name.as_str() { &self.own } else { voter }.peer_address.clone()
        };
        let mut addresses: Vec<String> = membership.voters.iter().map(address).collect();
        addresses.extend(self.config.bootstrap.iter().cloned());
        let own = votes.then(|| self.own.peer_address.clone());
        let (cluster_id, incarnation) = (membership.cluster_id.to_string(), membership.incarnation.clone());
        let client = ControlClient::new(cluster_id, incarnation, own, addresses);
        let node = NodeDescription {
            name: self.own.name.to_string(),
            raft_id: self.own.raft_id.0,
            client_address: self.client_address.clone(),
            peer_address: self.own.peer_address.clone(),
            controller: votes,
            data: self.config.data_role,
            zone: self.config.zone.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let known = self.dir.read::<ClusterMap>("map.json")?;
        Ok(Link::new(Arc::new(client), node, self.config.given.clone(), self.dir.clone(), known))
    }

    /// Serves everything on both ports; `add` puts in the services of the data role, `more` its metrics.
    pub fn serve(
        &self,
        groups: &Arc<Groups>,
        controller: Option<Arc<Controller>>,
        link: &Link,
        more: MoreMetrics,
        add_client: impl FnOnce(&mut RoutesBuilder),
        add_peer: impl FnOnce(&mut RoutesBuilder),
    ) -> Result<View, StartError> {
        let mut peer = RoutesBuilder::default();
        peer.add_service(rpc::raft_service(groups.clone()));
        let control = ControlRpc::new(self.introduction.clone(), self.rejections.clone(), controller);
        peer.add_service(ControlServiceServer::new(control));
        add_peer(&mut peer);
        self.peer_port.serve(peer.routes().prepare().into_axum_router());

        let view = View::new(self.own.name.clone(), link.client().clone(), link.map(), self.config.clock.clone());
        tokio::spawn(view.clone().keep_fresh());
        let mut client = RoutesBuilder::default();
        client.add_service(ClusterServiceServer::new(AdminRpc::new(view.clone())));
        let (health, service) = tonic_health::server::health_reporter();
        drop(health);
        client.add_service(service);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(phoenixmldb_proto::DESCRIPTORS)
        };
        let fault = |error: tonic_reflection::server::Error| StartError::Fault(error.to_string());
        client.add_service(reflection().build_v1().map_err(fault)?);
        client.add_service(reflection().build_v1alpha().map_err(fault)?);
        add_client(&mut client);
        let (own, readiness, scraped) = (self.own.name.clone(), self.readiness.clone(), groups.clone());
        let rejections = self.rejections.clone();
        let process: Scrape = Arc::new(move || {
            let groups = scraped.all();
            let mut families = metrics::process(&metrics::ProcessView {
                node: own.as_str(),
                uptime_s: readiness.uptime_s(),
                rejected_total: scraped.rejected_total() + rejections.total(),
                groups: groups.iter().map(|group| (group.id(), group.status(), group.metrics())).collect(),
                log: scraped.log_metrics(),
                lateness: scraped.lateness(),
                traffic: scraped.traffic(),
            });
            families.extend(more());
            async move { Scraped { families, control_applied: None } }.boxed()
        });
        let shown = view.clone();
        let cluster: Scrape = Arc::new(move || {
            let view = shown.clone();
            let scrape = async move {
                let snapshot = view.snapshot().await;
                Scraped { families: metrics::cluster(&snapshot), control_applied: Some(snapshot.control_applied) }
            };
            scrape.boxed()
        });
        let http: Router = routes(self.readiness.clone(), process, cluster);
        let all = http.merge(client.routes().prepare().into_axum_router());
        self.client_port.serve(all.layer(axum::middleware::from_fn(listing)));
        Ok(view)
    }

    /// Closes both ports.
    pub async fn stop(self, limit: Duration) {
        self.readiness.waits("shutting down");
        tokio::join!(self.client_port.stop(limit), self.peer_port.stop(limit));
    }
}

/// What `init` or `join` recorded counts where the command line says nothing.
fn apply_intent(config: &mut ProcessConfig, dir: &DataDir) -> Result<(), StartError> {
    let Some(intent) = dir.read::<BootstrapIntent>(INTENT_FILE)? else { return Ok(()) };
    if intent.node_id != config.node_id {
        let path = dir.path().to_owned();
        return Err(StartError::OtherNode { path, owner: intent.node_id, given: config.node_id.clone() });
    }
    config.cluster_id = config.cluster_id.take().or(intent.cluster_id);
    if config.peers.is_empty() {
        config.peers = intent.peers;
    }
    if config.bootstrap.is_empty() {
        config.bootstrap = intent.bootstrap_peer.into_iter().collect();
    }
    if config.zone.is_empty() {
        config.zone = intent.zone;
    }
    if let Some(count) = intent.shard_count {
        config.settings.shard_count = count;
    }
    if let Some(copies) = intent.replication_factor {
        config.settings.replication_factor = copies;
    }
    Ok(())
}

/// Waits for SIGTERM or SIGINT; a second one ends the process at once.
pub async fn until_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be received");
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::warn!("a second signal: ends at once");
        std::process::exit(130);
    });
}

/// Says on stderr why a program does not start, in three lines: what, why, and what to type next.
pub fn complain(program: &str, why: &str, next: &str) {
    let next = if next.is_empty() { format!("{program} --help") } else { next.to_owned() };
    let text = format!("error: {program} cannot go on\n  why:  {why}\n  next: {next}\n");
    // Nobody is left to tell when that fails.
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// What a fatal fault does: the process ends, because a replica that went on could disagree with the others.
#[must_use]
pub fn end_on_fatal() -> Arc<dyn Fn(String) + Send + Sync> {
    Arc::new(|reason| {
        tracing::error!(%reason, "a replica can go on no longer; the process ends");
        std::process::exit(1);
    })
}

impl From<StartError> for PublicError {
    fn from(error: StartError) -> Self {
        Self::new(Code::Refused, error.to_string()).help(error.help())
    }
}
