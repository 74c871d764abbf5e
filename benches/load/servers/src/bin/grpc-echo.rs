//! A gRPC server that sends messages back, on one thread: `grpc-echo ADDRESS`. HTTP/2 without TLS; `echo.proto` describes the service.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// `bench.Message`.
#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(bytes = "bytes", tag = "1")]
    payload: bytes::Bytes,
}

struct Echo;

impl UnaryService<Message> for Echo {
    type Response = Message;
    type Future = Ready<Result<Response<Message>, Status>>;

    fn call(&mut self, request: Request<Message>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: grpc-echo ADDRESS")?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| async {
            let mut grpc = Grpc::new(ProstCodec::<Message, Message>::default());
            let response = match request.uri().path() {
                "/bench.Echo/Unary" => grpc.unary(Echo, request).await,
                path => Status::unimplemented(format!("unknown path {path}")).into_http(),
            };
            Ok::<_, Infallible>(response)
        });
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
        // Connection errors are the client's to report.
        tokio::spawn(async { connection.await.ok() });
    }
}
