//! Queries over files, without a cluster.
//!
//! ```text
//!  query text, input document ─► compile ─► evaluate under limits ─► one item per line on stdout
//!                                   └── files.rs: only folders that were named   variables.rs: --var
//! ```
//!
//! The query runs on a thread of its own. Its meter ends it at the deadline; should a single step take longer than that,
//! the command ends without it.

pub mod files;
pub mod variables;

use crate::args::{Output, Query as Args};
use crate::diagnostic::{Look, Problem};
use crate::error::CliError;
use crate::exit::Exit;
use files::{Files, file_uri};
use phoenixmldb_xdm::error::Error;
use phoenixmldb_xdm::serialize::{Method, Parameters, sequence};
use phoenixmldb_xdm::{Item, Limit, Meter, Node, NodeKind, ParseOptions, Sequence, Str, limits, parse_xml};
use phoenixmldb_xquery::functions::parsing::declared_parameters;
use phoenixmldb_xquery::syntax::parse_module;
use phoenixmldb_xquery::{DynamicContext, Options, Query};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use tokio::time::Instant;

/// Time after the deadline in which the evaluation should have noticed it.
const GRACE: Duration = Duration::from_millis(200);

/// Stack of the thread that runs a query, in bytes; deeper recursion takes more by itself.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Text of a query, and what it is called in messages.
pub struct Source {
    /// Its text, with line ends as the engine sees them.
    pub text: String,
    /// File name, or `query`.
    pub name: String,
}

/// Everything of standard input.
pub fn standard_input() -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| CliError::io(&error))?;
    Ok(bytes)
}

/// The query's text: an argument, a file, or standard input.
pub fn source(args: &Args) -> Result<Source, CliError> {
    let (bytes, name) = match (&args.file, args.query.as_deref()) {
        (Some(file), _) if file != Path::new("-") => {
            (fs_err::read(file).map_err(|error| CliError::io(&error))?, file.display().to_string())
        }
        (Some(_), _) | (None, Some("-")) => (standard_input()?, "stdin".to_owned()),
        (None, Some(text)) => (text.as_bytes().to_vec(), "query".to_owned()),
        (None, None) => return Err(CliError::usage("no query given")),
    };
    let text = String::from_utf8(bytes).map_err(|_| CliError::usage(format!("{name} is not UTF-8")))?;
    let text = text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text);
    Ok(Source { text: text.replace("\r\n", "\n").replace('\r', "\n"), name })
}

/// Why there is no result, or no whole one.
enum Failure {
    Problem(Box<Problem>, Exit),
    Other(CliError),
    /// The reader of the result has gone, which is no failure.
    ReaderGone,
}

/// What the query did, for `--timing`.
struct Done {
    parse: Duration,
    compile: Duration,
    evaluate: Duration,
    print: Duration,
    items: u64,
    truncated: bool,
}

struct Job {
    args: Args,
    method: Option<Output>,
    query: Source,
    input: Option<Vec<u8>>,
    files: Arc<Files>,
    meter: Arc<Meter>,
}

/// Evaluates a query here. Errors: files that cannot be read, and a wrong command line.
pub fn run(args: Args, method: Option<Output>, timeout: Duration) -> Result<Exit, CliError> {
    let reads_stdin = args.query.as_deref() == Some("-") || args.file.as_deref() == Some(Path::new("-"));
    let input = match args.local.input.as_deref() {
        Some(path) if path == Path::new("-") && reads_stdin => {
            return Err(CliError::usage("standard input is either the query or the input document"));
        }
        Some(path) if path == Path::new("-") => Some(standard_input()?),
        Some(path) => Some(fs_err::read(path).map_err(|error| CliError::io(&error))?),
        None => None,
    };
    let query = source(&args)?;
    let files = Files::new(&args.local.allow_files, &args.local.module_path).map_err(|error| CliError::io(&error))?;
    let deadline = Instant::now() + timeout;
    let probe: Box<dyn Fn() -> bool + Send + Sync> = Box::new(move || Instant::now() >= deadline);
    let bytes = |given: Option<bytesize::ByteSize>, default: u64| given.map_or(default, |size| size.as_u64());
    let meter = Meter::new(args.local.limit_steps.unwrap_or(u64::MAX), Some(probe))
        .with_memory(bytes(args.local.limit_memory, limits::QUERY_MEMORY_BYTES_DEFAULT))
        .with_stack(bytes(args.local.limit_stack, limits::QUERY_STACK_BYTES_DEFAULT));
    let meter = Arc::new(meter);
    let timing = args.timing;
    let job = Job { args, method, query, input, files: Arc::new(files), meter: meter.clone() };
    let (sender, receiver) = sync_channel(1);
    let thread = std::thread::Builder::new().name("query".to_owned()).stack_size(STACK_BYTES);
    thread.spawn(move || drop(sender.send(job.run()))).map_err(|error| CliError::io(&error))?;
    let done = receiver.recv_timeout(timeout + GRACE).unwrap_or_else(|error| {
        let problem = match error {
            RecvTimeoutError::Timeout => Problem::new(Limit::Deadline.code(), "the query passed its deadline"),
            RecvTimeoutError::Disconnected => Problem::new("", "the query ended without a result; please report it"),
        };
        let exit = if error == RecvTimeoutError::Timeout { Exit::Timeout } else { Exit::Failed };
        Err(Failure::Problem(Box::new(problem), exit))
    });
    match done {
        Ok(done) => {
            if timing {
                note(&summary(&done, &meter));
            } else if done.truncated {
                note(&format!("only the first {} items were printed", done.items));
            }
            Ok(Exit::Ok)
        }
        Err(Failure::ReaderGone) => Ok(Exit::Ok),
        Err(Failure::Other(error)) => Err(error),
        Err(Failure::Problem(problem, exit)) => {
            note(problem.render(Look::of_stderr()).trim_end());
            Ok(exit)
        }
    }
}

/// What is not a result goes to stderr.
#[allow(clippy::print_stderr)]
pub fn note(text: &str) {
    eprintln!("{text}");
}

fn summary(done: &Done, meter: &Meter) -> String {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    format!(
        "{} items{}: parse {}, compile {}, evaluate {}, print {}; {} steps, values held at most {}",
        done.items,
        if done.truncated { " (truncated)" } else { "" },
        ms(done.parse),
        ms(done.compile),
        ms(done.evaluate),
        ms(done.print),
        meter.spent(),
        phoenixmldb_xdm::meter::bytes_text(meter.peak_bytes()),
    )
}

impl Job {
    fn run(self) -> Result<Done, Failure> {
        let started = Instant::now();
        let context_item = self.context_item()?;
        let parsed = Instant::now();
        let options = Options { base_uri: Some(Str::from(self.base_uri()?)), ..Options::default() };
        let query = Query::compile(&self.query.text, &options, &*self.files).map_err(|error| self.problem(&error))?;
        if self.args.explain {
            let plan = query.explain();
            let compiled = Instant::now();
            wrote(std::io::stdout().lock().write_all(format!("{}\n", plan.trim_end()).as_bytes()))?;
            return Ok(Done {
                parse: parsed - started,
                compile: compiled - parsed,
                evaluate: Duration::ZERO,
                print: compiled.elapsed(),
                items: 0,
                truncated: false,
            });
        }
        let parameters = self.parameters(&query).map_err(|error| self.problem(&error))?;
        let mut context = DynamicContext::new(variables::now(), self.files.clone());
        context.context_item = context_item;
        context.meter = self.meter.clone();
        for given in &self.args.variables {
            let (name, value) = variables::binding(given).map_err(Failure::Other)?;
            context.variables.insert(name, value);
        }
        let compiled = Instant::now();
        let result = query.run(&context).map_err(|error| self.problem(&error))?;
        let evaluated = Instant::now();
        let (items, truncated) = self.print(&result, &parameters)?;
        Ok(Done {
            parse: parsed - started,
            compile: compiled - parsed,
            evaluate: evaluated - compiled,
            print: evaluated.elapsed(),
            items,
            truncated,
        })
    }

    fn context_item(&self) -> Result<Option<Item>, Failure> {
        let (Some(path), Some(bytes)) = (&self.args.local.input, &self.input) else { return Ok(None) };
        let is_stdin = path == Path::new("-");
        let real = if is_stdin { None } else { path.canonicalize().ok() };
        let options =
            ParseOptions { document_uri: real.map(|path| Str::from(file_uri(&path))), ..ParseOptions::default() };
        let tree = parse_xml(bytes, &options).map_err(|error| {
            let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
            let problem = Problem::new("FODC0002", format!("the input is not well-formed: {}", error.message));
            let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
            let problem = problem.at(&name, &text, error.line as usize, error.column as usize);
            Failure::Problem(Box::new(problem), Exit::Query)
        })?;
        Ok(Some(Item::Node(Node::root_of(&tree))))
    }

    /// Of the query's file, or of the current folder.
    fn base_uri(&self) -> Result<String, Failure> {
        let wrong = |error: std::io::Error| Failure::Other(CliError::io(&error));
        match &self.args.file {
            Some(file) if file != Path::new("-") => Ok(file_uri(&file.canonicalize().map_err(wrong)?)),
            _ => Ok(format!("{}/", file_uri(&std::env::current_dir().map_err(wrong)?))),
        }
    }

    /// What the query declares, and over it what the command line says.
    fn parameters(&self, query: &Query) -> phoenixmldb_xdm::error::Result<Parameters> {
        let context = query.static_context();
        let mut parameters = declared_parameters(context, &*self.files)?;
        // Items are written one by one, so a declaration stands before each only if it was asked for.
        if !context.serialization.iter().any(|(name, _)| name.local == "omit-xml-declaration") {
            parameters.omit_declaration = true;
        }
        if let Some(method) = method_name(self.args.method.as_deref(), self.method) {
            parameters.set("method", method)?;
        }
        parameters.indent |= self.args.indent;
        Ok(parameters)
    }

    /// Writes the items; how many they were, and whether more were left out.
    fn print(&self, result: &Sequence, parameters: &Parameters) -> Result<(u64, bool), Failure> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let (max, bytes_max) = (self.args.max_results.unwrap_or(u64::MAX), self.args.local.limit_output);
        let (mut items, mut written) = (0_u64, 0_u64);
        let separator = parameters.item_separator.clone().unwrap_or_else(|| Str::from("\n"));
        let as_item = Parameters { item_separator: None, ..parameters.clone() };
        for item in result {
            if items == max {
                if self.args.truncate {
                    wrote(out.flush())?;
                    return Ok((items, true));
                }
                let error = Limit::ResultItems.exceeded(format!("the result has more than {max} items"));
                return Err(self.problem_with(&self.of_the_whole(error), "raise --max-results, or add --truncate"));
            }
            self.meter.charge(1).map_err(|error| self.problem(&error))?;
            let text = text_of(item, &as_item).map_err(|error| self.problem(&self.of_the_whole(error)))?;
            written += (text.len() + separator.len()) as u64;
            if let Some(bytes_max) = bytes_max.filter(|max| written > max.as_u64()) {
                let error = Limit::ResultBytes.exceeded(format!("the written result is longer than {bytes_max}"));
                return Err(self.problem_with(&self.of_the_whole(error), "raise --limit-output"));
            }
            if items > 0 {
                wrote(out.write_all(separator.as_bytes()))?;
            }
            wrote(out.write_all(text.as_bytes()))?;
            items += 1;
        }
        if items > 0 {
            wrote(out.write_all(b"\n"))?;
        }
        wrote(out.flush())?;
        Ok((items, false))
    }

    /// An error of the result rather than of an expression: its place is the query's body, which is the last thing in it.
    fn of_the_whole(&self, error: Box<Error>) -> Box<Error> {
        let span = parse_module(&self.query.text, None).ok().and_then(|module| module.body().map(|body| body.span));
        match span {
            Some(span) => error.at(span.start, span.end),
            None => error,
        }
    }

    fn problem(&self, error: &Error) -> Failure {
        let help = match Limit::of(error) {
            Some(Limit::Fuel) if self.args.local.limit_steps.is_some() => "raise --limit-steps",
            Some(Limit::Memory) => "raise --limit-memory, or have the query keep less at a time",
            Some(Limit::Stack) => "raise --limit-stack, or call in tail position",
            Some(Limit::Deadline) => "raise --timeout",
            _ => "",
        };
        self.problem_with(error, help)
    }

    fn problem_with(&self, error: &Error, help: &str) -> Failure {
        let mut problem = Problem::new(shown_code(error), &error.message).help(help);
        let module = error.location.as_ref().and_then(|location| location.module.as_ref());
        let imported = module.and_then(|uri| Some((uri.to_string(), self.files.module_text(uri)?)));
        if let Some((start, end)) = error.span {
            let (name, text) = match &imported {
                Some((uri, text)) => (uri.strip_prefix("file://").unwrap_or(uri), text.as_str()),
                None => (self.query.name.as_str(), self.query.text.as_str()),
            };
            problem = problem.within(name, text, start as usize, end as usize);
        }
        let exit = if Limit::of(error) == Some(Limit::Deadline) { Exit::Timeout } else { Exit::Query };
        Failure::Problem(Box::new(problem), exit)
    }
}

/// A reader that went away ends the command quietly.
fn wrote(done: std::io::Result<()>) -> Result<(), Failure> {
    done.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Other(CliError::io(&error)),
    })
}

/// The code as people know it: `XPST0003`, or `my:code` of `fn:error`.
fn shown_code(error: &Error) -> String {
    let code = &error.code;
    if code.uri == phoenixmldb_xdm::error::ERROR_NAMESPACE || code.uri.is_empty() {
        code.local.to_string()
    } else {
        format!("Q{{{}}}{}", code.uri, code.local)
    }
}

/// The name of the output method that a command line asks for.
#[must_use]
pub fn method_name(method: Option<&str>, output: Option<Output>) -> Option<&str> {
    let named = output.map(|output| match output {
        Output::Text | Output::Table | Output::Wide => "text",
        Output::Json => "json",
        Output::Xml => "xml",
        Output::Html => "html",
        Output::Xhtml => "xhtml",
        Output::Adaptive => "adaptive",
    });
    method.or(named)
}

/// One item. An attribute, which no document can hold alone, is written as it stands in a tag.
fn text_of(item: Item, parameters: &Parameters) -> phoenixmldb_xdm::error::Result<String> {
    let is_attribute = item.as_node().is_some_and(|node| node.kind() == NodeKind::Attribute);
    let whole = Sequence::One(item);
    if is_attribute && parameters.method != Method::Json {
        sequence(&whole, &Parameters { method: Method::Adaptive, ..parameters.clone() })
    } else {
        sequence(&whole, parameters)
    }
}
