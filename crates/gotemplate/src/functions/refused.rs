//! Functions of sprig and Helm that are left out on purpose, with the reason.

/// Function names with the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (&["env", "expandenv"], "templates don't see the environment; pass a value instead"),
    (&["getHostByName"], "templates don't reach the network"),
    (&["lookup"], "templates don't reach the cluster"),
    (
        &["randAlphaNum", "randAlpha", "randNumeric", "randAscii", "randInt", "randBytes", "shuffle", "uuidv4"],
        "the same values must give the same text",
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
        "templates don't make keys or secrets; pass them as values",
    ),
    (&["call"], "no value here is a function"),
];

/// The reason why a function is left out, if it is.
pub fn reason(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}
