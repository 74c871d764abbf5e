//! A server of the files of a release, at the paths that GitHub has for them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A running server; it runs until the test process ends.
pub struct FileServer {
    address: SocketAddr,
}

/// The files of one release.
pub struct ReleaseFiles {
    pub directory: PathBuf,
    pub version: String,
    /// A file whose connection breaks halfway.
    pub truncated: Option<String>,
}

impl FileServer {
    /// Serves `/latest/download/NAME` and `/download/vVERSION/NAME`.
    pub fn start(release: ReleaseFiles) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let release = Arc::new(release);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let release = Arc::clone(&release);
                std::thread::spawn(move || serve(&stream, &release));
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Answers one request. A client that goes away is no error.
fn serve(mut stream: &TcpStream, release: &ReleaseFiles) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    while lines.next()?.ok().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1)?;
    let of_version = format!("/download/v{}/", release.version);
    let name = path.strip_prefix("/latest/download/").or_else(|| path.strip_prefix(&of_version));
    let content = name.and_then(|name| std::fs::read(Path::new(&release.directory).join(name)).ok());
    let Some(content) = content else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", content.len());
    let is_truncated = release.truncated.is_some() && release.truncated.as_deref() == name;
    let sent = if is_truncated { content.len() / 2 } else { content.len() };
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(content.get(..sent)?).ok()
}
