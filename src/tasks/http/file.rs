//! Files that the fields of a load name.

use super::plan::Load;
use crate::logic::input::InputError;
use crate::ports::Files;

/// Reads a file that `field` names.
pub(super) fn read(load: &Load, files: &dyn Files, field: &str, path: &str, max: u64) -> Result<Vec<u8>, InputError> {
    files.read(path, max).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::IsADirectory => "it is a directory; expected a file".to_owned(),
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        load.places.error(field, format!("can't read `{path}`: {reason}"))
    })
}
