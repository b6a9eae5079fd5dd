//! Streams one answer from tokenwire to the terminal: the answer to stdout as its tokens arrive,
//! how it ended to stderr. A call that fails before its first token is repeated.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use openai::chatgpt_client::ChatgptClient;
use openai::{Answer, Message};

/// The messages and the client of the contract, which build.rs generates.
#[allow(clippy::all)]
mod openai {
    tonic::include_proto!("openai");
}

/// The longest time that all attempts may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The most attempts of one call.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt where the server says none; it doubles with each attempt.
const BACKOFF: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (target, text, key) = match arguments.as_slice() {
        [target, text] => (target, text, None),
        [target, text, key] => (target, text, Some(key.as_str())),
        _ => {
            eprintln!("usage: tokenwire-examples HOST:PORT TEXT [KEY]");
            return ExitCode::from(2);
        }
    };
    match run(target, text, key).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref::<Status>() {
                Some(status) => explain(status),
                None => eprintln!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}

/// Prints the answer to a text.
async fn run(target: &str, text: &str, key: Option<&str>) -> Result<(), Box<dyn Error>> {
    // A channel is meant to live as long as the program; a clone of it is cheap and shares its
    // connection. Inside a mesh or a cluster TLS often ends before the server; where it does not:
    // https:// and Endpoint::tls_config.
    let channel = Endpoint::from_shared(format!("http://{target}"))?.connect_lazy();
    let bearer = match key {
        Some(key) => Some(format!("Bearer {key}").parse()?),
        None => None,
    };
    let mut client = ChatgptClient::new(channel);
    let deadline = Instant::now() + TIMEOUT;
    let mut attempt = 1;
    loop {
        let failure = match send(&mut client, text, bearer.as_ref(), deadline).await {
            Ok(last) => {
                report(&last);
                return Ok(());
            }
            Err(failure) => failure,
        };
        // tonic has no retry policy. What has begun is not repeated: it would be paid twice.
        let wait = wait_of(&failure.status, attempt).filter(|_| !failure.begun);
        match wait {
            Some(wait) if attempt < ATTEMPTS && Instant::now() + wait < deadline => {
                eprintln!("attempt {} in {} ms", attempt + 1, wait.as_millis());
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            _ => return Err(failure.status.into()),
        }
    }
}

/// An attempt that has failed.
struct Failure {
    status: Status,
    /// Whether a part of the answer has arrived.
    begun: bool,
}

/// Makes one attempt: prints the answer while it is written, and returns its last piece.
async fn send(
    client: &mut ChatgptClient<Channel>,
    text: &str,
    bearer: Option<&MetadataValue<tonic::metadata::Ascii>>,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let mut request = Request::new(Message {
        content: text.to_owned(),
        ..Default::default()
    });
    // The deadline travels with the call: the server knows when to give up.
    request.set_timeout(deadline - Instant::now());
    if let Some(bearer) = bearer {
        request
            .metadata_mut()
            .insert("authorization", bearer.clone());
    }
    let failed = |begun| move |status| Failure { status, begun };
    let mut answers = client
        .send(request)
        .await
        .map_err(failed(false))?
        .into_inner();
    let mut last: Option<Answer> = None;
    // Dropping `answers` cancels the call, and the server stops the model.
    while let Some(answer) = answers.message().await.map_err(failed(last.is_some()))? {
        print!("{}", answer.content);
        io::stdout().flush().ok();
        last = Some(answer);
    }
    println!();
    Ok(last.unwrap_or_default())
}

/// Returns the time to wait before a further attempt; None if there should be none.
fn wait_of(status: &Status, attempt: u32) -> Option<Duration> {
    if !matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) {
        return None;
    }
    // The server's word, which every gRPC library with retry policies follows. -1 is no number
    // here: never again.
    if let Some(pushback) = status.metadata().get("grpc-retry-pushback-ms") {
        let wait = pushback.to_str().ok()?.parse().ok()?;
        return Some(Duration::from_millis(wait));
    }
    Some(BACKOFF * 2u32.pow(attempt - 1))
}

/// Says how the answer ended; the last Answer of a call knows.
fn report(last: &Answer) {
    eprintln!("model: {}", last.model);
    eprintln!("finish reason: {}", last.finish_reason().as_str_name());
    match &last.usage {
        Some(usage) => eprintln!(
            "usage: {} input tokens, {} output tokens",
            usage.input_tokens, usage.output_tokens
        ),
        None => eprintln!("usage: not reported by the upstream"),
    }
}

/// Prints what a failed call says about itself. Programs decide by the code and the reason, never
/// by the message.
fn explain(status: &Status) {
    eprintln!("{:?}: {}", status.code(), status.message());
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        eprintln!("reason: {} of {}", info.reason, info.domain);
    }
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        eprintln!("retry after: {} ms", delay.as_millis());
    }
    for violation in details
        .bad_request()
        .iter()
        .flat_map(|it| &it.field_violations)
    {
        eprintln!("field: {} {}", violation.field, violation.description);
    }
    for violation in details.quota_failure().iter().flat_map(|it| &it.violations) {
        eprintln!("limit: {}", violation.description);
    }
}
