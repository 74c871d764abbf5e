//! The outside world: file store, web client, shell, clock.
