//! Sessions: opening one, running pipelines in it, and closing it on every way out.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use super::conversation::{End, Heard, Pool, PoolState};
use super::endpoint::Endpoint;
use super::error::{AGAIN, Error, Kind};
use super::farewell::{self, see_off};
use super::http::{self, Http};
use super::message::Command;
use super::pace::Pace;
use super::record::{ErrorRecord, Warning};
use super::value::Value;
use super::wsman::{self, Address, AnswerError, Request, Signal};

/// How long a session may take to go, once nobody needs it.
const GOODBYE: Duration = Duration::from_secs(5);

/// How many objects a pipeline may put out. Four times the largest organisation anybody wrote about.
const MOST_OUTPUT: usize = 2_000_000;

/// How many objects an answer may have that is known to be short.
const MOST_COLLECTED: usize = 20_000;

/// A way to open sessions on one endpoint.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
}

/// Commands, each fed by the one before it, and what the first is fed with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// The commands; at least one.
    pub commands: Vec<Command>,
    /// Objects for the first command.
    pub input: Vec<Value>,
    /// How long the pipeline may take in all.
    pub within: Option<Duration>,
}

/// Everything a pipeline said, but for its output, which was handed on as it came. Kept also when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Errors that did not end it. A pipeline with errors still ends as completed.
    pub errors: Vec<ErrorRecord>,
    /// Warnings.
    pub warnings: Vec<Warning>,
    /// How it ended.
    pub ending: Ending,
}

/// How a pipeline ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// To its end.
    Completed,
    /// By an error that ended it.
    Failed(ErrorRecord),
    /// It was stopped, by us or by the server.
    Stopped,
    /// It never began.
    Refused(Error),
    /// Nobody knows: it may have begun, and what it did and whether it still runs was not heard.
    Lost(Error),
}

/// An open session. Dropped, it deletes itself in the background; [`close`](Session::close) waits for that.
#[derive(Debug)]
pub struct Session {
    shell: Option<Shell>,
}

impl Pipeline {
    /// A pipeline of commands without input.
    pub fn of(commands: impl IntoIterator<Item = Command>) -> Self {
        Self { commands: commands.into_iter().collect(), ..Self::default() }
    }

    /// Feeds the first command.
    #[must_use]
    pub fn fed(self, input: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self { input: input.into_iter().map(Into::into).collect(), ..self }
    }

    /// Stops the pipeline when it takes longer.
    #[must_use]
    pub fn within(self, most: Duration) -> Self {
        Self { within: Some(most), ..self }
    }
}

impl Answer {
    /// Tells whether the pipeline ran to its end; there may be errors all the same.
    pub fn completed(&self) -> bool {
        self.ending == Ending::Completed
    }
}

impl Client {
    /// A client of this endpoint. Nothing is contacted.
    ///
    /// # Errors
    /// [`Kind::Settings`] when the URL cannot be, or Basic would go over plain HTTP to another machine.
    pub fn new(endpoint: Endpoint) -> Result<Self, Error> {
        http::check(&endpoint)?;
        Ok(Self { endpoint })
    }

    /// Returns where it goes.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks, without a name, by which methods one can authenticate: the words of `WWW-Authenticate`.
    ///
    /// # Errors
    /// [`Error`] when nobody answers.
    pub async fn offers(&self) -> Result<Vec<String>, Error> {
        Http::anonymous(&self.endpoint)?.offers(self.endpoint.patience.answer).await
    }

    /// Opens a session. Fetches the secret anew.
    ///
    /// # Errors
    /// [`Error`], with what to do about it.
    pub async fn open(&self) -> Result<Session, Error> {
        let mut session = Session { shell: Some(Shell::new(&self.endpoint).await?) };
        match session.shell()?.open().await {
            Ok(()) => Ok(session),
            Err(error) => {
                if error.in_vain {
                    // There is nothing to delete.
                    session.shell = None;
                }
                Err(error)
            }
        }
    }
}

impl Session {
    /// Runs a pipeline, and hands each object of its output to `each` as it comes.
    ///
    /// What it said is in the answer whatever happens. Dropping the future leaves the pipeline running until the
    /// session goes, which ends it.
    pub async fn run(&mut self, pipeline: &Pipeline, each: &mut (dyn FnMut(Value) + Send)) -> Answer {
        self.run_up_to(MOST_OUTPUT, pipeline, each).await
    }

    async fn run_up_to(
        &mut self,
        most: usize,
        pipeline: &Pipeline,
        each: &mut (dyn FnMut(Value) + Send),
    ) -> Answer {
        let mut heard = Heard::up_to(most);
        let ending = match self.shell() {
            Ok(shell) => shell.run(pipeline, &mut heard, each).await,
            Err(error) => Ending::Refused(error),
        };
        tracing::debug!(
            commands = ?pipeline.commands.iter().map(Command::name).collect::<Vec<_>>(),
            input = pipeline.input.len(),
            errors = heard.errors.len(),
            warnings = heard.warnings.len(),
            "A pipeline ended."
        );
        Answer { errors: heard.errors, warnings: heard.warnings, ending }
    }

    /// Runs a pipeline and collects its output, for answers that are known to be short.
    pub async fn collect(&mut self, pipeline: &Pipeline) -> (Vec<Value>, Answer) {
        let mut output = Vec::new();
        let answer = self.run_up_to(MOST_COLLECTED, pipeline, &mut |value| output.push(value)).await;
        (output, answer)
    }

    /// Tells whether the session can still be used.
    pub fn is_open(&self) -> bool {
        self.shell.as_ref().is_some_and(|shell| shell.broken.is_none())
    }

    /// Returns how many requests the session has sent so far.
    pub fn requests(&self) -> u64 {
        self.shell.as_ref().map_or(0, |shell| shell.requests)
    }

    /// Deletes the session on the server.
    ///
    /// # Errors
    /// [`Error`] when that was not heard to succeed; the server forgets it by itself then.
    pub async fn close(mut self) -> Result<(), Error> {
        let deleted = self.shell()?.delete().await;
        // Once is enough: what did not go now will not go in the background either.
        self.shell = None;
        deleted
    }

    fn shell(&mut self) -> Result<&mut Shell, Error> {
        let gone = || Error::new(Kind::SessionLost, "the session is closed", "").in_vain();
        self.shell.as_mut().ok_or_else(gone)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            see_off(async move {
                drop(shell.delete().await);
            });
        }
    }
}

/// A shell on the server, with one pool of one runspace in it.
struct Shell {
    http: Http,
    address: Address,
    endpoint: Endpoint,
    pool: Pool,
    /// What the server calls it; until it has said so, what we asked for.
    id: String,
    wished: Uuid,
    /// The command of a pipeline that has ended and was not let go of yet.
    ended: Option<String>,
    /// Why nothing more can be run in it.
    broken: Option<Error>,
    requests: u64,
    /// The process waits for it to go.
    _open: TaskTrackerToken,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").field("id", &self.id).field("pool", &self.pool.state).finish_non_exhaustive()
    }
}

impl Shell {
    async fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let wished = Uuid::new_v4();
        let http = Http::new(endpoint).await?;
        let address = Address {
            url: endpoint.url.clone(),
            resource: format!("http://schemas.microsoft.com/powershell/{}", endpoint.configuration),
            envelope: endpoint.envelope,
            session: Uuid::new_v4(),
        };
        Ok(Self {
            http,
            address,
            endpoint: endpoint.clone(),
            pool: Pool::new(wished),
            id: wished.to_string().to_ascii_uppercase(),
            wished,
            ended: None,
            broken: None,
            requests: 0,
            _open: farewell::open(),
        })
    }

    async fn open(&mut self) -> Result<(), Error> {
        let packet = self.pool.opening(self.address.packet());
        let create =
            Request::Create { shell: self.wished, packet: &packet, idle: self.endpoint.patience.idle };
        let created = self.ask(&create, self.endpoint.patience.answer).await?;
        if let Some(id) = created.shell {
            self.id = id;
        }
        let give_up = Instant::now() + self.endpoint.patience.silence;
        loop {
            match &self.pool.state {
                PoolState::Open => return Ok(()),
                PoolState::Broken(why) => return Err(Error::of_pool(why.as_ref())),
                PoolState::Opening => {}
            }
            if Instant::now() >= give_up {
                return Err(Error::new(
                    Kind::Late,
                    format!(
                        "{} opened no runspace in {:?}",
                        self.address.url, self.endpoint.patience.silence
                    ),
                    "the server is busy or stuck; try again, as `popgate run` does by itself",
                ));
            }
            let bytes = self.receive(None, None).await?.stream;
            self.pool.hear(&bytes).map_err(Error::protocol)?;
        }
    }

    async fn run(
        &mut self,
        pipeline: &Pipeline,
        heard: &mut Heard,
        each: &mut (dyn FnMut(Value) + Send),
    ) -> Ending {
        if let Some(error) = self.unusable(pipeline) {
            return Ending::Refused(error);
        }
        if let Some(command) = self.ended.take() {
            let id = self.id.clone();
            let done = Request::Signal { shell: &id, command: &command, signal: Signal::Done };
            // Some servers have let go of it by themselves.
            if let Err(error) = self.ask(&done, self.endpoint.patience.answer).await
                && !error.in_vain
            {
                self.broken = Some(error.clone());
                return Ending::Refused(error);
            }
        }
        let wished = Uuid::new_v4();
        let mut command = wsman::upper(wished);
        // Whoever drops this future leaves a pipeline behind; only the end of it makes the session usable again.
        self.broken = Some(Error::new(Kind::SessionLost, "a pipeline was left in the middle", AGAIN));
        let ending = self.converse(wished, &mut command, pipeline, heard, each).await;
        match &ending {
            Ending::Completed | Ending::Failed(_) | Ending::Stopped => {
                self.broken = None;
                self.ended = Some(command);
            }
            Ending::Refused(error) if error.kind != Kind::SessionLost => self.broken = None,
            Ending::Refused(error) | Ending::Lost(error) => self.broken = Some(error.clone()),
        }
        ending
    }

    fn unusable(&self, pipeline: &Pipeline) -> Option<Error> {
        if let Some(why) = &self.broken {
            // Whoever got over the first failure still needs to hear what to do about it.
            let why = why.clone();
            return Some(Error { what: format!("the session is broken: {why}"), ..why }.in_vain());
        }
        // To Exchange, nothing as an identity means every object.
        let nil = pipeline.input.iter().any(|value| matches!(value, Value::Nil));
        (nil || pipeline.commands.is_empty()).then(|| {
            Error::new(Kind::Settings, "a pipeline needs a command, and may not be fed with nothing", "")
                .in_vain()
        })
    }

    /// Runs a pipeline; `command` is what the server calls it, once it has said so.
    async fn converse(
        &mut self,
        wished: Uuid,
        command: &mut String,
        pipeline: &Pipeline,
        heard: &mut Heard,
        each: &mut (dyn FnMut(Value) + Send),
    ) -> Ending {
        let packets = self.pool.pipeline(wished, &pipeline.commands, &pipeline.input, self.address.packet());
        let id = self.id.clone();
        let answer = self.endpoint.patience.answer;
        let mut refused = None;
        for (number, packet) in packets.iter().enumerate() {
            let request = match number {
                0 => Request::Command { shell: &id, command: wished, packet },
                _ => Request::Send { shell: &id, command, packet },
            };
            match self.ask(&request, answer).await {
                Ok(begun) => {
                    // A server may give it a name of its own, as it may the session.
                    if let Some(id) = begun.command.filter(|id| number == 0 && !id.trim().is_empty()) {
                        *command = id;
                    }
                }
                Err(error) if number == 0 && error.in_vain => return Ending::Refused(error),
                // A pipeline that failed at once takes no more input, and says so when it is asked.
                Err(error) if error.in_vain => {
                    refused = Some(error);
                    break;
                }
                Err(error) => return Ending::Lost(error),
            }
        }
        let begun = Instant::now();
        let mut last = begun;
        let mut stopped = false;
        let mut pace = Pace::default();
        let mut size;
        loop {
            let within = if refused.is_some() { Some(GOODBYE) } else { pipeline.within };
            let limit = within.filter(|_| !stopped).map(|most| begun + most);
            match self.receive(Some(command), limit).await {
                Ok(received) => {
                    size = received.stream.len();
                    heard.fresh = false;
                    if let Err(error) = heard.hear(&received.stream, each) {
                        return Ending::Lost(Error::protocol(error));
                    }
                    match heard.end.take() {
                        Some(End::Completed) => return Ending::Completed,
                        Some(End::Failed(why)) => return Ending::Failed(why),
                        Some(End::Stopped) => return refused.map_or(Ending::Stopped, Ending::Lost),
                        None if received.done => {
                            return Ending::Lost(Error::protocol(
                                "the pipeline is over without a word of how it ended",
                            ));
                        }
                        None => {}
                    }
                    if heard.fresh {
                        last = Instant::now();
                    }
                }
                Err(error) => return Ending::Lost(error),
            }
            let silent = last.elapsed() >= self.endpoint.patience.silence;
            let late = limit.is_some_and(|limit| Instant::now() >= limit);
            if !silent && !late {
                pace.wait(size, limit).await;
                continue;
            }
            let what = if silent { "said nothing for" } else { "was not done within" };
            let time = if silent { self.endpoint.patience.silence } else { begun.elapsed() };
            let error = Error::new(Kind::Late, format!("the pipeline {what} {time:?}"), AGAIN);
            if stopped {
                return Ending::Lost(error);
            }
            stopped = true;
            last = Instant::now();
            let stop = Request::Signal { shell: &id, command, signal: Signal::Stop };
            if self.ask(&stop, answer).await.is_err() {
                return Ending::Lost(error);
            }
        }
    }

    /// Asks for output once, and for an open question at most `poll`, or until `limit`.
    async fn receive(
        &mut self,
        command: Option<&str>,
        limit: Option<Instant>,
    ) -> Result<wsman::Answer, Error> {
        let patience = self.endpoint.patience;
        let left = limit.map_or(patience.poll, |limit| limit.saturating_duration_since(Instant::now()));
        let wait = left.clamp(Duration::from_millis(500).min(patience.poll), patience.poll);
        let id = self.id.clone();
        match self.ask_within(&Request::Receive { shell: &id, command }, wait, wait + patience.answer).await {
            Err(error) if error.kind == Kind::Empty => Ok(wsman::Answer::default()),
            other => other,
        }
    }

    async fn delete(&mut self) -> Result<(), Error> {
        let id = self.id.clone();
        let patience = GOODBYE.min(self.endpoint.patience.answer);
        self.ask_within(&Request::Delete { shell: &id }, patience, patience).await.map(drop)
    }

    async fn ask(&mut self, request: &Request<'_>, wait: Duration) -> Result<wsman::Answer, Error> {
        self.ask_within(request, wait, wait + self.endpoint.patience.answer).await
    }

    async fn ask_within(
        &mut self,
        request: &Request<'_>,
        wait: Duration,
        patience: Duration,
    ) -> Result<wsman::Answer, Error> {
        let message = Uuid::new_v4();
        let envelope = self.address.envelope(message, request, wait);
        self.requests += 1;
        tracing::trace!(bytes = envelope.len(), "{}.", request.word());
        let posted = self.http.post(envelope, patience);
        let reply = match request {
            // What was begun to be made must be known to be there, or it could not be deleted.
            Request::Create { .. } | Request::Delete { .. } => posted.await?,
            _ => tokio::select! {
                reply = posted => reply?,
                () = farewell::end() => return Err(Error::interrupted()),
            },
        };
        match wsman::read(&reply.text, message) {
            Ok(answer) if reply.status.is_success() => Ok(answer),
            Err(AnswerError::Fault(fault)) => {
                let error = Error::of_fault(request.word(), &fault);
                let open = matches!(request, Request::Receive { .. });
                Err(if error.kind == Kind::Empty && !open { error.given_up() } else { error })
            }
            Ok(_) | Err(_) if !reply.status.is_success() => Err(Error::new(
                Kind::Unwell,
                format!("{} answers {} without saying why", self.address.url, reply.status),
                "look into the server's event log; try again, as `popgate run` does by itself",
            )),
            Ok(answer) => Ok(answer),
            Err(error) => Err(Error::protocol(error)),
        }
    }
}
