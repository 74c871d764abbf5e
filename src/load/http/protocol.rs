//! HTTP as the load loop sees it: connect, exchange.

use super::connection::{self, HttpConnection};
use super::redirect;
use super::target::Http;
use crate::load::cause::Failure;
use crate::load::protocol::{Answer, Protocol};

impl Protocol for Http {
    type Connection = HttpConnection;

    async fn connect(&self) -> Result<HttpConnection, Failure> {
        let sender = connection::open(&self.origin, self.tls.as_ref()).await?;
        Ok(HttpConnection::new(sender))
    }

    async fn ready(&self, connection: &mut HttpConnection) -> bool {
        connection.sender.is_ready().await
    }

    async fn exchange(&self, connection: &mut HttpConnection) -> Result<Answer, Failure> {
        let (head, bytes) = connection.sender.exchange(&self.message).await?;
        if self.redirects > 0 && head.status.is_redirection() {
            return redirect::follow(self, connection, head, bytes).await;
        }
        Ok(self.answer(head.status.as_u16(), bytes))
    }
}
