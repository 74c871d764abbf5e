//! Functions of sprig and Helm that a template does not get here, with the reason.

/// Names with the reason why they are refused.
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

/// Why a function is refused, if it is.
pub fn reason(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}
