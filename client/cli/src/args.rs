//! The grammar. The documented forms work byte for byte; everything else follows their style.

use clap::{Args, Parser, Subcommand, ValueEnum};
use phoenixmldb_types::{ClusterId, NodeName};
use std::path::PathBuf;
use std::time::Duration;

/// Runs and asks a PhoenixmlDb cluster.
#[derive(Parser, Debug)]
#[command(name = "phoenixmldb-cluster", version = crate::version::text(), arg_required_else_help = true)]
pub struct Cli {
    /// Client addresses, host:port; any node will do [env: PHOENIXMLDB_ENDPOINTS=]
    #[arg(short, long, global = true, value_delimiter = ',')]
    pub endpoint: Vec<String>,
    /// Context to use instead of the current one [env: PHOENIXMLDB_CONTEXT=]
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// How results are printed; for query its output method [default: text; query: xml]
    #[arg(short, long, global = true, value_enum)]
    pub output: Option<Output>,
    /// The same as --output json
    #[arg(long, global = true, conflicts_with = "output")]
    pub json: bool,
    /// Longest time one command may take, such as 30s or 500ms
    #[arg(long, global = true, default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// Print results and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colours: auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub color: Color,
    /// Do what cannot be undone without asking
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never ask; refuse what would have to be asked
    #[arg(long, global = true, conflicts_with = "yes")]
    pub no_input: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// For people, always as a table
    Table,
    /// A table with all columns
    Wide,
    /// For programs; also valid YAML
    Json,
    /// Only query: markup.
    Xml,
    /// Only query: HTML.
    Html,
    /// Only query: HTML written as XML.
    Xhtml,
    /// Only query: every kind of item, as it could be written in a query.
    Adaptive,
}

/// When states are coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "a number and a unit, such as 30s or 500ms".to_owned())?;
    let ms = match unit {
        "ms" => number,
        "s" => number.saturating_mul(1_000),
        "m" => number.saturating_mul(60_000),
        _ => return Err("the unit is ms, s or m".to_owned()),
    };
    if ms == 0 { Err("it has to be longer than 0".to_owned()) } else { Ok(Duration::from_millis(ms)) }
}

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Record how the first node starts; prints the server's command line
    Init(Init),
    /// Record how another node joins; prints the server's command line
    Join(Join),
    /// Show whether the cluster is well
    Status(Status),
    /// List nodes
    #[command(alias = "nodes")]
    Members,
    /// Take a node out of the cluster
    RemoveNode {
        /// Its name
        node: NodeName,
    },
    /// List shards, or show one
    Shards {
        /// Number of a shard
        shard: Option<u32>,
    },
    /// Show nodes, shards, work and events, live in the terminal
    #[command(alias = "top")]
    Dashboard(phoenixmldb_tui::Options),
    /// Show which shard holds a document
    Locate {
        /// Container
        container: String,
        /// Document
        name: String,
    },
    /// Compare all copies of the shards
    Check {
        /// Compare shards
        #[arg(long, default_value_t = true)]
        shards: bool,
    },
    /// Show what happened
    Events {
        /// Only events after this one
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Move leadership of the control group
    TransferLeadership {
        /// Node that is to lead
        #[arg(long)]
        to: NodeName,
    },
    /// Containers
    #[command(subcommand)]
    Container(Container),
    /// Store a document
    Put(Put),
    /// Print a document
    Get {
        /// Container
        container: String,
        /// Document
        name: String,
        /// auto, strong or stale
        #[arg(long, default_value = "auto", value_parser = ["auto", "strong", "stale"])]
        consistency: String,
    },
    /// List documents
    Ls {
        /// Container
        container: String,
        /// Only names that begin so
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Delete a document
    Rm {
        /// Container
        container: String,
        /// Document
        name: String,
        /// No such document is not an error
        #[arg(long)]
        if_exists: bool,
    },
    /// Run a query
    Query(Box<Query>),
    /// Contexts: which cluster commands talk to
    #[command(subcommand)]
    Context(ContextVerb),
    /// Start a cluster on this machine, load documents, kill a node, show that nothing is lost
    Demo(Demo),
    /// Print a completion script
    Completion {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// List the exit codes
    #[command(after_help = crate::exit::text())]
    ExitCodes,
}

impl Verb {
    /// What the command is to do, for the message when it cannot.
    #[must_use]
    pub fn aim(&self) -> String {
        let text = match self {
            Self::Init(init) => return format!("initialise {}", init.node_id),
            Self::Join(join) => return format!("join {}", join.node_id),
            Self::Status(_) => "show the status",
            Self::Members => "list nodes",
            Self::RemoveNode { node } => return format!("remove {node}"),
            Self::Shards { .. } => "list shards",
            Self::Dashboard(_) => "show the dashboard",
            Self::Locate { container, name } => return format!("locate {container}/{name}"),
            Self::Check { .. } => "compare the copies",
            Self::Events { .. } => "list events",
            Self::TransferLeadership { to } => return format!("make {to} the leader"),
            Self::Container(Container::Create { name, .. }) => return format!("create container {name}"),
            Self::Container(Container::Ls) => "list containers",
            Self::Container(Container::Info { name }) => return format!("show container {name}"),
            Self::Container(Container::Delete { name, .. }) => return format!("delete container {name}"),
            Self::Put(put) => return format!("store {}/{}", put.container, put.name),
            Self::Get { container, name, .. } => return format!("read {container}/{name}"),
            Self::Ls { container, .. } => return format!("list {container}"),
            Self::Rm { container, name, .. } => return format!("delete {container}/{name}"),
            Self::Query(_) => "run the query",
            Self::Context(ContextVerb::Ls) => "list contexts",
            Self::Context(ContextVerb::Use { name }) => return format!("use context {name}"),
            Self::Context(ContextVerb::Add { name, .. }) => return format!("add context {name}"),
            Self::Demo(_) => "run the demo",
            Self::Completion { .. } => "print a completion script",
            Self::ExitCodes => "list the exit codes",
        };
        text.to_owned()
    }
}

/// `init`
#[derive(Args, Debug)]
pub struct Init {
    /// Name of this node: [a-z0-9][a-z0-9._-]{0,62}
    #[arg(long)]
    pub node_id: NodeName,
    /// Name of the cluster
    #[arg(long)]
    pub cluster_id: ClusterId,
    /// Raft ports of the other first members, as host:port
    #[arg(long, value_delimiter = ',')]
    pub peers: Vec<String>,
    /// The node's folder [default: $PHOENIXMLDB_DATA, or /data/<node-id>]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Number of shards, fixed from now on [default: 16]
    #[arg(long)]
    pub shards: Option<u32>,
    /// Copies of each shard [default: 3]
    #[arg(long)]
    pub replicas: Option<u32>,
    /// Where the node stands, for spreading copies
    #[arg(long, default_value = "")]
    pub zone: String,
}

/// `join`
#[derive(Args, Debug)]
pub struct Join {
    /// Name of this node: [a-z0-9][a-z0-9._-]{0,62}
    #[arg(long)]
    pub node_id: NodeName,
    /// Name of the cluster; learned from the peer when it is not given
    #[arg(long)]
    pub cluster_id: Option<ClusterId>,
    /// Raft port of any member, as host:port
    #[arg(long)]
    pub bootstrap_peer: String,
    /// The node's folder [default: $PHOENIXMLDB_DATA, or /data/<node-id>]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Where the node stands, for spreading copies
    #[arg(long, default_value = "")]
    pub zone: String,
    /// Wait for the peer to answer, at most so long; without it an unreachable peer is recorded all the same
    #[arg(long, value_name = "TIME", value_parser = duration, num_args = 0..=1, default_missing_value = "30s")]
    pub wait: Option<Duration>,
}

/// `status`
#[derive(Args, Debug)]
pub struct Status {
    /// End with code 5 unless all is well
    #[arg(long)]
    pub check: bool,
    /// Wait until the cluster is healthy, or healthy and balanced; code 7 when --timeout passes first
    #[arg(long, value_name = "STATE", value_parser = ["healthy", "balanced"], conflicts_with = "watch")]
    pub wait: Option<String>,
    /// Show it again and again, every second unless told otherwise
    #[arg(long, value_name = "EVERY", value_parser = duration, num_args = 0..=1, default_missing_value = "1s")]
    pub watch: Option<Duration>,
    /// Add warnings, settings, and how far behind each copy is
    #[arg(short, long)]
    pub verbose: bool,
    /// Add the list of shards
    #[arg(long)]
    pub shards: bool,
}

/// `container`
#[derive(Subcommand, Debug)]
pub enum Container {
    /// Create a container
    Create {
        /// Its name
        name: String,
        /// An existing container with the same options is not an error
        #[arg(long)]
        if_not_exists: bool,
        /// Drop white-space-only text when parsing
        #[arg(long)]
        strip_whitespace: bool,
        /// Shard by the value at this path
        #[arg(long, default_value = "")]
        shard_key_path: String,
    },
    /// List containers
    Ls,
    /// Show a container
    Info {
        /// Its name
        name: String,
    },
    /// Delete a container and its documents
    Delete {
        /// Its name
        name: String,
        /// No such container is not an error
        #[arg(long)]
        if_exists: bool,
    },
}

/// `put`
#[derive(Args, Debug)]
pub struct Put {
    /// Container
    pub container: String,
    /// Document
    pub name: String,
    /// File with the text; - for standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Fail when there is one
    #[arg(long)]
    pub no_overwrite: bool,
    /// Replace only this version; 0: only when there is none
    #[arg(long)]
    pub if_version: Option<u64>,
}

/// `query`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  phoenixmldb-cluster query \"count(collection('orders')//order)\"
  phoenixmldb-cluster query --container orders --timing 'sum(collection()//total)'
  phoenixmldb-cluster query --input order.xml '//total/string()'
  phoenixmldb-cluster query --local -o json 'map { \"a\": 1 }'
Values: --var n=5 has the type the query declares for $n; --var 'd:=xs:date(\"2024-02-29\")' is an expression.")]
pub struct Query {
    /// The query; - for standard input
    #[arg(required_unless_present = "file")]
    pub query: Option<String>,
    /// File with the query
    #[arg(short, long, conflicts_with = "query")]
    pub file: Option<PathBuf>,
    /// External variable: name=value, or name:=expression; Q{uri}local for a name in a namespace
    #[arg(short = 'v', long = "var", alias = "variable", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Print how it would run instead
    #[arg(long)]
    pub explain: bool,
    /// Lines and indentation for people
    #[arg(long)]
    pub indent: bool,
    /// Most items [default: 10000 in a cluster, no bound here]
    #[arg(long, value_name = "ITEMS", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_results: Option<u64>,
    /// Stop at the bound instead of failing
    #[arg(long)]
    pub truncate: bool,
    /// Print times on stderr, and what each shard did
    #[arg(long)]
    pub timing: bool,
    /// The output method, as -o
    #[arg(long, hide = true, value_parser = ["xml", "html", "xhtml", "text", "json", "adaptive"])]
    pub method: Option<String>,
    /// In a cluster
    #[command(flatten)]
    pub cluster: ClusterQuery,
    /// On this machine
    #[command(flatten)]
    pub local: LocalQuery,
}

impl Query {
    /// Whether it is evaluated here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local.local || self.local.input.is_some()
    }
}

/// `query` over the containers of a cluster
#[derive(Args, Debug)]
#[command(next_help_heading = "In a cluster")]
pub struct ClusterQuery {
    /// Container of collection() without argument
    #[arg(long, default_value = "", conflicts_with = "local_only")]
    pub container: String,
    /// Ask only the shard of this key
    #[arg(long, conflicts_with = "local_only")]
    pub shard_key: Option<String>,
    /// auto, strong or stale
    #[arg(long, default_value = "auto", value_parser = ["auto", "strong", "stale"], conflicts_with = "local_only")]
    pub consistency: String,
    /// Answer without the shards that are down
    #[arg(long, conflicts_with = "local_only")]
    pub allow_partial: bool,
    /// One JSON object per item: text, kind, document
    #[arg(long, conflicts_with = "local_only")]
    pub records: bool,
}

/// `query` without a cluster
#[derive(Args, Debug)]
#[command(next_help_heading = "On this machine, without a cluster")]
pub struct LocalQuery {
    /// Evaluate here, without an input document
    #[arg(long, group = "local_only")]
    pub local: bool,
    /// Evaluate here, with this document as context item; - for standard input
    #[arg(long, value_name = "FILE", group = "local_only")]
    pub input: Option<PathBuf>,
    /// Let doc(), collection() and unparsed-text() read below this folder; repeatable
    #[arg(long, value_name = "DIR")]
    pub allow_files: Vec<PathBuf>,
    /// Where imported modules are found; repeatable
    #[arg(long, value_name = "DIR")]
    pub module_path: Vec<PathBuf>,
    /// Most memory that values may hold, such as 256MB or 1GiB [default: 1GiB]
    #[arg(long, value_name = "BYTES")]
    pub limit_memory: Option<bytesize::ByteSize>,
    /// Most stack for functions that call each other [default: 256MiB]
    #[arg(long, value_name = "BYTES")]
    pub limit_stack: Option<bytesize::ByteSize>,
    /// Most steps of evaluation [default: no bound]
    #[arg(long, value_name = "STEPS")]
    pub limit_steps: Option<u64>,
    /// Longest written result [default: no bound]
    #[arg(long, value_name = "BYTES")]
    pub limit_output: Option<bytesize::ByteSize>,
}

/// `context`
#[derive(Subcommand, Debug)]
pub enum ContextVerb {
    /// List contexts
    Ls,
    /// Use a context from now on
    Use {
        /// Its name
        name: String,
    },
    /// Add a context and use it
    Add {
        /// Its name
        name: String,
        /// Client addresses, host:port
        #[arg(value_delimiter = ',', required = true)]
        endpoints: Vec<String>,
    },
}

/// `demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Without a terminal: stop everything at the end, print one line of JSON last
    #[arg(long)]
    pub ci: bool,
    /// Folder for data and logs [default: a new one below the temporary folder]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Documents to load
    #[arg(long, default_value_t = 1_000)]
    pub documents: u32,
    /// Stop a demo cluster that was left running
    #[arg(long)]
    pub stop: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_lines_are_accepted() {
        for line in [
            "pc init --node-id node1 --cluster-id my-cluster --peers node2:5433,node3:5433",
            "pc join --node-id node2 --cluster-id my-cluster --bootstrap-peer node1:5433",
            "pc join --node-id node4 --bootstrap-peer node1:5433",
            "pc status",
            "pc transfer-leadership --to node2",
            "pc --endpoint node3:5432 put orders a.xml a.xml",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_bad_name_is_refused_with_its_rule() {
        let parsed = Cli::try_parse_from(["pc", "init", "--node-id", "a b", "--cluster-id", "c"]);
        let message = parsed.unwrap_err().to_string();
        assert!(message.contains("[a-z0-9][a-z0-9._-]{0,62}"), "{message}");
    }
}
