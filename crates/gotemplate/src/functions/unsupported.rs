//! Functions of sprig and Helm that are left out on purpose, with the reason.

/// Function names with the reason.
const UNSUPPORTED: &[(&[&str], &str)] = &[
    (&["env", "expandenv"], "templates cannot read the environment; pass a value instead"),
    (&["getHostByName"], "templates cannot access the network"),
    (&["lookup"], "templates cannot access the cluster"),
    (
        &["randAlphaNum", "randAlpha", "randNumeric", "randAscii", "randInt", "randBytes", "shuffle", "uuidv4"],
        "rendering is deterministic",
    ),
    (
        &[
            "bcrypt",
            "htpasswd",
            "derivePassword",
            "genPrivateKey",
            "genCA",
            "genCAWithKey",
            "genSelfSignedCert",
            "genSelfSignedCertWithKey",
            "genSignedCert",
            "genSignedCertWithKey",
            "buildCustomCert",
            "encryptAES",
            "decryptAES",
        ],
        "templates cannot generate keys or secrets; pass them as values",
    ),
    (&["call"], "values are never functions"),
];

/// Returns the reason why a function is left out, if it is.
pub fn reason(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}
