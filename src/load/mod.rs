//! One load loop, generic over the protocol.
