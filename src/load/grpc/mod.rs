//! gRPC as a protocol of the load loop: calls on the `h2` crate directly, without a channel or a pool.

mod frame;
mod status;

pub use frame::{FrameError, MAX_MESSAGE, frame};
pub use status::status_name;
