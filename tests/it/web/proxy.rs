//! A forward proxy: it opens tunnels (`CONNECT`) and passes plain requests on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A running proxy; it ends with the runtime.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, Arc::clone(&shared)));
            }
        });
        Self { address, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Method and target of each request.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn pass(mut client: TcpStream, asked: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let (method, rest) = text.split_once(' ')?;
    let target = rest.split(' ').next()?;
    asked.lock().unwrap().push(format!("{method} {target}"));
    let host = target.strip_prefix("http://").unwrap_or(target).split('/').next()?;
    let mut server = TcpStream::connect(host).await.ok()?;
    match method {
        "CONNECT" => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?,
        _ => server.write_all(&head).await.ok()?,
    }
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}
