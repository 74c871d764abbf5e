//! An HTTP/1.1 server of known latencies, on one thread: `delays ADDRESS`. `/constant` takes 5 ms; `/bimodal` takes 2 ms, and
//! 50 ms for each tenth of all requests; every other path responds immediately.
//!
//! It finds the end of a request head and reads only its path: enough for load generators that send one GET at a time.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: delays ADDRESS")?;
    let listener = TcpListener::bind(address).await?;
    let bimodal = Rc::new(Cell::new(0_u64));
    let local = LocalSet::new();
    local
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let bimodal = Rc::clone(&bimodal);
                // Connection errors are the client's to report.
                tokio::task::spawn_local(async move { serve(stream, &bimodal).await.ok() });
            }
        })
        .await
}

async fn serve(mut stream: TcpStream, bimodal: &Cell<u64>) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(4096);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > 64 << 10 || stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let delay = if head.starts_with(b"GET /constant ") {
            5
        } else if head.starts_with(b"GET /bimodal ") {
            bimodal.set(bimodal.get() + 1);
            if bimodal.get() % 10 == 0 { 50 } else { 2 }
        } else {
            0
        };
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        stream.write_all(RESPONSE).await?;
    }
}
