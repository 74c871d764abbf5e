//! One file per report format; pure functions of the document.
