//! What every outgoing connection needs: TLS settings, and credentials kept out of messages.
