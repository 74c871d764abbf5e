//! A gRPC server that the test controls completely: HTTP/2 by the `h2` crate, the rest by hand.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Definitions of the tests' service.
pub const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/wrappers.proto";
service Echo {
  rpc Unary(Msg) returns (Msg);
  rpc Client(stream Msg) returns (Msg);
  rpc Server(Msg) returns (stream Msg);
  rpc Both(stream Msg) returns (stream Msg);
  rpc Named(google.protobuf.StringValue) returns (Msg);
}
message Msg { string text = 1; int32 n = 2; }
"#;

/// Its message.
#[derive(Clone, PartialEq, Message)]
pub struct Msg {
    #[prost(string, tag = "1")]
    pub text: String,
    #[prost(int32, tag = "2")]
    pub n: i32,
}

/// One call as it came.
pub struct Call {
    /// Its number, from 0.
    pub number: u64,
    pub path: String,
    pub headers: HeaderMap,
    pub body: RecvStream,
    pub respond: SendResponse<Bytes>,
}

type Script = dyn Fn(Call) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// Head and messages of calls.
type Seen = Arc<Mutex<Vec<(HeaderMap, Vec<Bytes>)>>>;

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    connections: AtomicU64,
    most: AtomicU64,
    now: AtomicU64,
}

pub struct Server {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    seen: Seen,
}

impl Server {
    /// Answers each call by `script`.
    pub async fn scripted<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        let script = move |call| -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(script(call)) };
        Self::start(Arc::new(script), None, h2::server::Builder::new(), Arc::default(), u64::MAX).await
    }

    /// The same, and after so many calls of a connection it says farewell.
    pub async fn leaving<F: Future<Output = ()> + Send + 'static>(
        calls: u64,
        script: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        let script = move |call| -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(script(call)) };
        Self::start(Arc::new(script), None, h2::server::Builder::new(), Arc::default(), calls).await
    }

    /// Answers as the service in [`PROTO`] should; keeps what it received.
    pub async fn echo(tls: Option<rustls::ServerConfig>, settings: h2::server::Builder) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let script =
            move |call: Call| -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(echo(call, Arc::clone(&kept))) };
        let tls = tls.map(|mut config| {
            config.alpn_protocols = vec![b"h2".to_vec()];
            TlsAcceptor::from(Arc::new(config))
        });
        Self::start(Arc::new(script), tls, settings, seen, u64::MAX).await
    }

    async fn start(
        script: Arc<Script>,
        tls: Option<TlsAcceptor>,
        settings: h2::server::Builder,
        seen: Seen,
        farewell: u64,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, counts, tls, settings) =
                    (Arc::clone(&script), Arc::clone(&shared), tls.clone(), settings.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, settings, script, counts, farewell).await;
                            }
                        }
                        None => serve(stream, settings, script, counts, farewell).await,
                    }
                });
            }
        });
        Self { address, counts, seen }
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn calls(&self) -> u64 {
        self.counts.calls.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// The most calls that were under way at the same time.
    pub fn most_at_once(&self) -> u64 {
        self.counts.most.load(Ordering::SeqCst)
    }

    /// Head and messages of each call, in the order in which they were complete.
    pub fn seen(&self) -> Vec<(HeaderMap, Vec<Bytes>)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    settings: h2::server::Builder,
    script: Arc<Script>,
    counts: Arc<Counts>,
    farewell: u64,
) {
    counts.connections.fetch_add(1, Ordering::SeqCst);
    let Ok(mut connection) = settings.handshake::<_, Bytes>(stream).await else { return };
    let mut here = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        let number = counts.calls.fetch_add(1, Ordering::SeqCst);
        let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most.fetch_max(now, Ordering::SeqCst);
        let (mut head, body): (_, RecvStream) = Request::into_parts(request);
        // Tests read the authority from this header.
        if let Some(authority) = head.uri.authority() {
            head.headers.insert("host", authority.as_str().parse().unwrap());
        }
        let call = Call { number, path: head.uri.path().to_owned(), headers: head.headers, body, respond };
        let (script, counts) = (Arc::clone(&script), Arc::clone(&counts));
        tokio::spawn(async move {
            script(call).await;
            counts.now.fetch_sub(1, Ordering::SeqCst);
        });
        here += 1;
        if here == farewell {
            connection.graceful_shutdown();
        }
    }
}

/// A message with its prefix.
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

pub fn msg(text: &str, n: i32) -> Bytes {
    framed(&Msg { text: text.to_owned(), n }.encode_to_vec())
}

pub fn trailers(status: &str, message: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    if !message.is_empty() {
        trailers.insert("grpc-message", message.parse().unwrap());
    }
    trailers
}

/// The head of a good answer.
pub fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// Sends head, data and trailers. Ignores errors of clients that disconnected.
pub fn answer(mut respond: SendResponse<Bytes>, head: Response<()>, data: &[Bytes], end: Option<HeaderMap>) {
    let is_over = data.is_empty() && end.is_none();
    let Ok(mut stream) = respond.send_response(head, is_over) else { return };
    for (index, data) in data.iter().enumerate() {
        let _ = stream.send_data(data.clone(), end.is_none() && index + 1 == data.len());
    }
    match end {
        Some(end) => drop(stream.send_trailers(end)),
        None if !is_over => drop(stream.send_data(Bytes::new(), true)),
        None => {}
    }
}

/// The next whole message of a body, unpacked; `None` at its end.
pub async fn next(body: &mut RecvStream, kept: &mut BytesMut) -> Option<Bytes> {
    loop {
        if kept.len() >= 5 {
            let length = u32::from_be_bytes(kept[1..5].try_into().unwrap()) as usize;
            if kept.len() >= 5 + length {
                let is_packed = kept[0] == 1;
                let message = kept.split_to(5 + length).freeze().slice(5..);
                return Some(if is_packed { unpacked(&message) } else { message });
            }
        }
        let data = body.data().await?.ok()?;
        let _ = body.flow_control().release_capacity(data.len());
        kept.extend_from_slice(&data);
    }
}

fn unpacked(message: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(message), &mut plain).unwrap();
    plain.into()
}

async fn echo(mut call: Call, seen: Seen) {
    let mut kept = BytesMut::new();
    let mut messages = Vec::new();
    let reads_on = call.path.ends_with("/Both");
    if reads_on {
        let mut stream: SendStream<Bytes> = call.respond.send_response(head(), false).unwrap();
        while let Some(message) = next(&mut call.body, &mut kept).await {
            let _ = stream.send_data(framed(&message), false);
            messages.push(message);
        }
        let _ = stream.send_trailers(trailers("0", ""));
    } else {
        while let Some(message) = next(&mut call.body, &mut kept).await {
            messages.push(message);
        }
        let first = messages.first().map(|message| Msg::decode(&message[..]).unwrap()).unwrap_or_default();
        let data = match call.path.as_str() {
            // A `StringValue` has the encoding of a `Msg` with a text.
            "/t.Echo/Unary" | "/t.Echo/Named" => vec![framed(&first.encode_to_vec())],
            "/t.Echo/Client" => vec![msg("", messages.len() as i32)],
            "/t.Echo/Server" => (0..first.n).map(|n| msg(&first.text, n)).collect(),
            _ => return answer(call.respond, head(), &[], Some(trailers("12", "no%20such%20method"))),
        };
        answer(call.respond, head(), &data, Some(trailers("0", "")));
    }
    seen.lock().unwrap().push((call.headers, messages));
}
