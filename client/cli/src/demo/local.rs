//! A cluster of separate processes on this machine's loopback.

use crate::error::CliError;
use crate::exit::Exit;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process of the cluster.
pub struct LocalNode {
    /// Its name.
    pub name: String,
    /// Its client address.
    pub client: String,
    /// Its peer address.
    pub peer: String,
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl LocalNode {
    /// A node that has not been started; `args` without name, folder and ports.
    pub fn new(program: &str, name: &str, folder: &Path, ports: (u16, u16), args: &[&str]) -> Result<Self, CliError> {
        let data = folder.join(name);
        let mut all: Vec<String> = vec!["--node-id".into(), name.into(), "--data".into(), data.display().to_string()];
        all.extend(["--bind", "127.0.0.1", "--port"].map(str::to_owned));
        all.extend([ports.0.to_string(), "--raft-port".into(), ports.1.to_string()]);
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        Ok(Self {
            name: name.to_owned(),
            client: format!("127.0.0.1:{}", ports.0),
            peer: format!("127.0.0.1:{}", ports.1),
            program: sibling(program)?,
            args: all,
            log: folder.join(format!("{name}.log")),
            child: None,
        })
    }

    /// A server without a cluster.
    pub fn single(folder: &Path, port: u16) -> Result<Self, CliError> {
        let data = folder.join("local").display().to_string();
        Ok(Self {
            name: "local".to_owned(),
            client: format!("127.0.0.1:{port}"),
            peer: String::new(),
            program: sibling("phoenixmldb-server")?,
            args: ["--data", &data, "--bind", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned).to_vec(),
            log: folder.join("local.log"),
            child: None,
        })
    }

    /// Starts it; its log goes to a file beside its folder.
    pub fn start(&mut self) -> Result<(), CliError> {
        let io = |error: std::io::Error| CliError::new(Exit::Failed, format!("{}: {error}", self.program.display()));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).map_err(io)?;
        let child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(io)?;
        self.child = Some(child);
        Ok(())
    }

    /// Adds to the command line of its next start.
    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL: no chance to say anything.
    pub fn kill(&mut self) -> Result<(), CliError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait().map(|_| ())).map_err(|error| CliError::io(&error))
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> Result<(), CliError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        let gone = asked.and_then(|_| child.wait());
        gone.map(|_| ()).map_err(|error| CliError::io(&error))
    }

    /// Leaves it running when this program ends.
    pub fn detach(&mut self) {
        self.child = None;
    }
}

impl Drop for LocalNode {
    fn drop(&mut self) {
        // Nobody is left to hear of it.
        drop(self.kill());
    }
}

/// The program of this name beside the one that runs.
pub fn sibling(name: &str) -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|error| CliError::io(&error))?;
    // A test runs from a folder below the programs.
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| {
        let what = format!("{name} is not beside {}", own.display());
        CliError::new(Exit::Failed, what).next("cargo build --workspace --bins")
    })
}

/// Ports of the loopback that nobody listens on now.
pub fn free_ports(count: usize) -> Result<Vec<u16>, CliError> {
    let io = |error: std::io::Error| CliError::io(&error);
    let open: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>().map_err(io)?;
    open.iter().map(|listener| Ok(listener.local_addr().map_err(io)?.port())).collect()
}

/// Three or more processes.
pub struct LocalCluster {
    /// All nodes, controllers first.
    pub nodes: Vec<LocalNode>,
}

impl LocalCluster {
    /// Controllers and data nodes as separate processes. Nothing is started yet.
    pub fn split(folder: &Path, controllers: usize, data: usize, timing: &[&str]) -> Result<Self, CliError> {
        let ports = free_ports((controllers + data) * 2)?;
        let pair = |index: usize| (ports[index * 2], ports[index * 2 + 1]);
        let peers: Vec<String> = (0..controllers).map(|index| format!("127.0.0.1:{}", pair(index).1)).collect();
        let expected = data.to_string();
        let mut nodes = Vec::new();
        for index in 0..controllers {
            let others: Vec<&str> =
                peers.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, peer)| peer.as_str()).collect();
            let others = others.join(",");
            let mut args = vec!["--cluster-id", "demo", "--expect-data-nodes", &expected];
            if !others.is_empty() {
                args.extend(["--peers", &others]);
            }
            args.extend(timing);
            let name = format!("control{}", index + 1);
            nodes.push(LocalNode::new("phoenixmldb-controller", &name, folder, pair(index), &args)?);
        }
        let all = peers.join(",");
        for index in 0..data {
            let mut args = vec!["--controllers", &all];
            args.extend(timing);
            let name = format!("node{}", index + 1);
            nodes.push(LocalNode::new("phoenixmldb-server", &name, folder, pair(controllers + index), &args)?);
        }
        Ok(Self { nodes })
    }

    /// Nodes with both roles, as in the documentation.
    pub fn combined(folder: &Path, count: usize, timing: &[&str]) -> Result<Self, CliError> {
        let ports = free_ports(count * 2)?;
        let peers: Vec<String> = (0..count).map(|index| format!("127.0.0.1:{}", ports[index * 2 + 1])).collect();
        let mut nodes = Vec::new();
        for index in 0..count {
            let others: Vec<&str> =
                peers.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, peer)| peer.as_str()).collect();
            let others = others.join(",");
            let mut args = vec!["--cluster", "--cluster-id", "my-cluster", "--peers", &others];
            args.extend(timing);
            let (name, pair) = (format!("node{}", index + 1), (ports[index * 2], ports[index * 2 + 1]));
            nodes.push(LocalNode::new("phoenixmldb-server", &name, folder, pair, &args)?);
        }
        Ok(Self { nodes })
    }

    /// Starts all that do not run.
    pub fn start(&mut self) -> Result<(), CliError> {
        self.nodes.iter_mut().filter(|node| node.child.is_none()).try_for_each(LocalNode::start)
    }

    /// Client addresses of the nodes that hold data.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().filter(|node| node.name.starts_with("node")).map(|node| node.client.clone()).collect()
    }

    /// The node of this name.
    pub fn node(&mut self, name: &str) -> Option<&mut LocalNode> {
        self.nodes.iter_mut().find(|node| node.name == name)
    }

    /// Stops all: data nodes first, so that they can hand over and say goodbye.
    pub fn stop(&mut self) -> Result<(), CliError> {
        self.nodes.iter_mut().rev().try_for_each(LocalNode::stop)
    }
}
