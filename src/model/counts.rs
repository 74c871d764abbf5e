//! Counters of a load: defined once, embedded in a worker's statistics, a load's outcome, a pod's shard and the document.

use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counters of requests, warm-up excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Requests that ended, each counted once, errors included.
    pub requests: u64,
    /// Failed requests: no complete response, or one that counts as an error.
    pub errors: u64,
    /// Requests sent more than 1 ms after they were due.
    pub late: u64,
    /// Requests sent more than 1 ms late although a connection was free: the load generator's own delay, not the service's.
    #[serde(skip_serializing_if = "is_zero")]
    pub own_late: u64,
    /// Requests that were due and never sent.
    pub dropped: u64,
    /// Times that a request was sent again because the peer had closed the idle connection, or said that it did not process the
    /// request. Such requests count once in `requests`.
    #[serde(skip_serializing_if = "is_zero")]
    pub resent: u64,
    /// Those of `resent` for which the only sign of an idle close was that the connection ended within a round trip. A service that
    /// drops requests at once looks the same.
    #[serde(skip_serializing_if = "is_zero")]
    pub idle_closed: u64,
    /// Requests that were in flight when the time of the load was over, and were ignored as requested (`duration-stop: ignore`).
    #[serde(skip_serializing_if = "is_zero")]
    pub ignored: u64,
}

impl Counts {
    /// Adds the counters of another worker or pod.
    pub fn add(&mut self, other: &Self) {
        let Self { requests, errors, late, own_late, dropped, resent, idle_closed, ignored } = self;
        for (mine, theirs) in [
            (requests, other.requests),
            (errors, other.errors),
            (late, other.late),
            (own_late, other.own_late),
            (dropped, other.dropped),
            (resent, other.resent),
            (idle_closed, other.idle_closed),
            (ignored, other.ignored),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Bytes and messages of a load, without heads and framing.
///
/// A counter is `None` if it was not counted: messages of protocols that have none, and bytes sent in documents of versions that
/// did not count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Traffic {
    /// Response body bytes received.
    pub bytes_received: u64,
    /// Request body bytes sent; absent if not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<u64>,
    /// Messages sent, for protocols that have several per request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_sent: Option<u64>,
    /// Messages received, for protocols that have several per response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_received: Option<u64>,
}

impl Traffic {
    /// Adds the counters of another worker or pod.
    pub fn add(&mut self, other: &Self) {
        self.bytes_received = self.bytes_received.saturating_add(other.bytes_received);
        for (mine, theirs) in [
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.messages_sent, other.messages_sent),
            (&mut self.messages_received, other.messages_received),
        ] {
            count(mine, theirs);
        }
    }

    /// Counts request bytes.
    pub fn add_bytes_sent(&mut self, bytes: u64) {
        count(&mut self.bytes_sent, Some(bytes));
    }

    /// Counts messages. A protocol that has messages counts both directions.
    pub fn add_messages(&mut self, sent: u64, received: u64) {
        count(&mut self.messages_sent, Some(sent));
        count(&mut self.messages_received, Some(received));
    }

    /// Converts the counters to the document's form: bytes sent are always present, messages only if there were any.
    pub fn in_document(self) -> Self {
        let has_messages = self.messages_sent.max(self.messages_received) > Some(0);
        let messages = |count: Option<u64>| has_messages.then(|| count.unwrap_or_default());
        Self {
            bytes_sent: Some(self.bytes_sent.unwrap_or_default()),
            messages_sent: messages(self.messages_sent),
            messages_received: messages(self.messages_received),
            ..self
        }
    }

    /// Serializes the counters as a shard has them, all four, so that pods of other versions can read them.
    pub(super) fn serialize_in_full<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("bytesSent", &self.bytes_sent.unwrap_or_default())?;
        map.serialize_entry("bytesReceived", &self.bytes_received)?;
        map.serialize_entry("messagesSent", &self.messages_sent.unwrap_or_default())?;
        map.serialize_entry("messagesReceived", &self.messages_received.unwrap_or_default())?;
        map.end()
    }

    /// Deserializes the counters of a shard, in which 0 means not counted.
    pub(super) fn deserialize_in_full<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut traffic = Self::deserialize(deserializer)?;
        for counter in [&mut traffic.bytes_sent, &mut traffic.messages_sent, &mut traffic.messages_received] {
            *counter = counter.filter(|count| *count > 0);
        }
        Ok(traffic)
    }
}

fn count(counter: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *counter = Some(counter.unwrap_or_default().saturating_add(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_saturate() {
        let mut counts = Counts {
            requests: u64::MAX,
            errors: 1,
            late: 2,
            own_late: 6,
            dropped: 3,
            resent: 4,
            idle_closed: 7,
            ignored: 5,
        };
        counts.add(&Counts {
            requests: 1,
            errors: 10,
            late: 20,
            own_late: 60,
            dropped: 30,
            resent: 40,
            idle_closed: 70,
            ignored: 50,
        });
        assert_eq!(
            counts,
            Counts {
                requests: u64::MAX,
                errors: 11,
                late: 22,
                own_late: 66,
                dropped: 33,
                resent: 44,
                idle_closed: 77,
                ignored: 55
            }
        );
    }

    #[test]
    fn a_protocol_without_messages_has_none_in_the_document() {
        let mut traffic = Traffic::default();
        traffic.add_bytes_sent(7);
        traffic.add(&Traffic { messages_sent: Some(0), messages_received: Some(0), ..Traffic::default() });
        assert_eq!(traffic.in_document(), Traffic { bytes_sent: Some(7), ..Traffic::default() });
        traffic.add_messages(0, 3);
        let document = traffic.in_document();
        assert_eq!((document.messages_sent, document.messages_received), (Some(0), Some(3)));
    }

    #[test]
    fn a_document_without_counted_bytes_stays_without() {
        let old: Traffic = serde_json::from_str(r#"{"bytesReceived":5}"#).unwrap();
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"bytesReceived":5}"#);
    }
}
