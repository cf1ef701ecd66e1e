//! Whether a request proves that its sender has a secret, and whether it gives one away.
//!
//! The documents ask for an HMAC and do not say of what nor where. So any header counts that
//! holds an HMAC, under the secret, of something with this very body in it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use ring::hmac::{
    self, Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Tag,
};

use super::Received;

const III: &str = "the iii scheme";
const BODY: &str = "a signature of the body";
const STANDARD_WEBHOOKS: &str = "Standard Webhooks";
const TIMED_BODY: &str = "a signature of a time and the body";

/// By the length of what they make.
const ALGORITHMS: [(usize, Algorithm); 4] = [
    (32, HMAC_SHA256),
    (20, HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    (48, HMAC_SHA384),
    (64, HMAC_SHA512),
];

/// Shorter values occur by chance.
pub(super) const VALUE_BYTES_MIN: usize = 8;
/// More numbers in the headers of a request are not taken for times.
const TIMES_MAX: usize = 8;
/// Of how many bytes HMACs are made at most for a request, so that none keeps a run busy: with a
/// body of a mebibyte some hundred.
const SIGNED_BYTES_MAX: usize = 128 << 20;

/// A header that proves possession.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Proof {
    pub(super) header: String,
    /// Whose value is the secret.
    pub(super) variable: String,
    pub(super) scheme: &'static str,
}

/// What may have been signed, in the order of its parts.
struct Signed<'r> {
    scheme: &'static str,
    before: String,
    body: Cow<'r, [u8]>,
}

/// Every proof that a request holds.
pub(super) fn proofs(request: &Received, variables: &BTreeMap<String, String>) -> Vec<Proof> {
    let signatures: Vec<_> = request
        .headers
        .iter()
        .map(|(header, value)| (header, signatures_in(value)))
        .filter(|(_, signatures)| !signatures.is_empty())
        .collect();
    let mut algorithms = ALGORITHMS.to_vec();
    algorithms.retain(|(length, _)| {
        let mut all = signatures.iter().flat_map(|(_, signatures)| signatures);
        all.any(|signature| signature.len() == *length)
    });
    let texts = signed_texts(request);
    let mut left = SIGNED_BYTES_MAX;
    let mut found = Vec::new();
    for (variable, secret) in variables {
        let mut unproven: Vec<_> = signatures.iter().collect();
        for text in &texts {
            if unproven.is_empty() {
                break;
            }
            for tag in text.tags(&algorithms, secret, &mut left) {
                unproven.retain(|(header, signatures)| {
                    let proven = signatures.contains(tag.as_ref());
                    found.extend(proven.then(|| Proof {
                        variable: variable.clone(),
                        scheme: text.scheme,
                        header: (*header).clone(),
                    }));
                    !proven
                });
            }
        }
    }
    found.sort_unstable();
    found
}

/// The variables whose values stand in a request, plain or encoded.
pub(super) fn reveals<'v>(
    request: &Received,
    variables: &'v BTreeMap<String, String>,
) -> Vec<&'v str> {
    let mut places: Vec<&[u8]> = vec![request.below.as_bytes(), &request.body];
    places.extend(request.headers.values().map(String::as_bytes));
    let stands = |form: &[u8]| {
        let mut windows = places.iter().flat_map(|place| place.windows(form.len()));
        windows.any(|window| window == form)
    };
    variables
        .iter()
        .filter(|(_, value)| value.len() >= VALUE_BYTES_MIN)
        .filter(|(_, value)| {
            let encoded = BASE64_STANDARD.encode(value);
            stands(value.as_bytes())
                || stands(encoded.trim_end_matches('=').as_bytes())
                || stands(hex::encode(value).as_bytes())
        })
        .map(|(name, _)| name.as_str())
        .collect()
}

/// For the author of an engine whose request proves nothing: what would have.
pub(crate) fn how_to_prove(request: &Received, variable: &str, secret: &str) -> String {
    let key = hmac::Key::new(HMAC_SHA256, secret.as_bytes());
    let mut ways = vec![format!(
        "x-hub-signature-256: sha256={} (HMAC-SHA256 of the body)",
        hex::encode(hmac::sign(&key, &request.body))
    )];
    let signed = signed_texts(request);
    if let Some(text) = signed.iter().find(|it| it.scheme == III) {
        ways.push(format!(
            "x-iii-signature: sha256={} (HMAC-SHA256 of the value of x-iii-timestamp, `:` and \
             the base64 of the body)",
            hex::encode(text.tag(HMAC_SHA256, secret.as_bytes()))
        ));
    }
    format!(
        "with the value of {variable}, `{secret}`, proof would have been: {}",
        ways.join("; or ")
    )
}

/// What a signature may be of, by scheme.
fn signed_texts(request: &Received) -> Vec<Signed<'_>> {
    let header = |name: &str| request.headers.get(name);
    let of_body = |scheme, before| Signed {
        scheme,
        before,
        body: Cow::Borrowed(&*request.body),
    };
    let mut texts = vec![of_body(BODY, String::new())];
    if let Some(time) = header("x-iii-timestamp") {
        texts.push(Signed {
            scheme: III,
            before: format!("{time}:"),
            body: BASE64_STANDARD.encode(&request.body).into_bytes().into(),
        });
    }
    for maker in ["webhook", "svix"] {
        let part = |name: &str| header(&format!("{maker}-{name}"));
        if let (Some(id), Some(time)) = (part("id"), part("timestamp")) {
            texts.push(of_body(STANDARD_WEBHOOKS, format!("{id}.{time}.")));
        }
    }
    let times = request.headers.values().flat_map(|it| times_in(it));
    for time in times.take(TIMES_MAX) {
        for before in [
            time.to_owned(),
            format!("{time}."),
            format!("{time}:"),
            format!("{time}\n"),
            format!("v0:{time}:"),
        ] {
            texts.push(of_body(TIMED_BODY, before));
        }
    }
    texts
}

impl Signed<'_> {
    /// Every HMAC of it under a secret, as long as there are bytes left to make them of. Standard
    /// Webhooks writes its secrets in base64, behind `whsec_`.
    fn tags(&self, algorithms: &[(usize, Algorithm)], secret: &str, left: &mut usize) -> Vec<Tag> {
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        let decoded = BASE64_STANDARD.decode(encoded).ok();
        let keys = [Some(secret.as_bytes().to_vec()), decoded];
        let mut tags = Vec::new();
        for key in keys.into_iter().flatten() {
            for (_, algorithm) in algorithms {
                let Some(rest) = left.checked_sub(self.before.len() + self.body.len()) else {
                    return tags;
                };
                *left = rest;
                tags.push(self.tag(*algorithm, &key));
            }
        }
        tags
    }

    fn tag(&self, algorithm: Algorithm, key: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        context.update(self.before.as_bytes());
        context.update(&self.body);
        context.sign()
    }
}

/// Numbers such as Unix times, also as a parameter: `t=1700000000`.
fn times_in(value: &str) -> impl Iterator<Item = &str> {
    value
        .split([',', ';', ' ', '='])
        .filter(|part| part.len() >= 9 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What in a header may be a signature: hexadecimal or base64, behind a prefix or not.
fn signatures_in(value: &str) -> HashSet<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let url_safe = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let is_mac = |bytes: &Vec<u8>| ALGORITHMS.iter().any(|(length, _)| *length == bytes.len());
    value
        .split([',', ';', ' ', ':', '"'])
        .flat_map(|part| [Some(part), part.split_once('=').map(|(_, after)| after)])
        .flatten()
        .flat_map(|text| {
            [
                hex::decode(text).ok(),
                standard.decode(text).ok(),
                url_safe.decode(text).ok(),
            ]
        })
        .flatten()
        .filter(is_mac)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = include_str!("../../../../fixtures/vectors/hmac.json");

    fn request(headers: &[(&str, &str)], body: &str) -> Received {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        Received::new("POST", "", headers, body.as_bytes().to_vec())
    }

    fn variables(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("SECRET".to_owned(), value.to_owned())])
    }

    fn scheme(headers: &[(&str, &str)], body: &str, secret: &str) -> Option<&'static str> {
        let proofs = proofs(&request(headers, body), &variables(secret));
        proofs.first().map(|it| it.scheme)
    }

    #[test]
    fn signatures_of_the_iii_scheme_are_those_of_another_tool() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let text = |field: &str| vector[field].as_str().unwrap();
            let time = vector["timestamp"].to_string();
            let (secret, body) = (text("secret"), text("body"));
            let headers = |signature| [("x-iii-timestamp", &*time), ("x-iii-signature", signature)];
            let found = scheme(&headers(text("signature")), body, secret);
            assert_eq!(found, Some(III), "{vector}");
            // Of another body, another time, under another secret.
            let other = format!("{body} ");
            assert_eq!(scheme(&headers(text("signature")), &other, secret), None);
            let later = [
                ("x-iii-timestamp", "1"),
                ("x-iii-signature", text("signature")),
            ];
            assert_eq!(scheme(&later, body, secret), None);
            assert_eq!(scheme(&headers(text("signature")), body, "other"), None);
        }
    }

    #[test]
    fn other_schemes_count_as_well() {
        // Computed with `openssl dgst -sha256 -hmac`, of `{"a":1}` with what stands before it.
        let body = r#"{"a":1}"#;
        let secret = "It's a secret to everybody";
        let github = "sha256=0890928cf67984eedf51f8a1df6cbc2adeb805ca96a630a92ea4b6ee9c709a05";
        assert_eq!(
            scheme(&[("X-Hub-Signature-256", github)], body, secret),
            Some(BODY)
        );
        let stripe =
            "t=1700000000,v1=0ce7acc4397c45c9f222703e6f78611cf17bb08c09e962a1573fb3e4c8c324b4";
        assert_eq!(
            scheme(&[("Stripe-Signature", stripe)], body, secret),
            Some(TIMED_BODY)
        );
        let standard = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", "1700000000"),
            (
                "webhook-signature",
                "v1,COqz/iExUttck7Ij62zrk35osQCdpHvuNTsHnX3maGs=",
            ),
        ];
        let key = "whsec_SXQncyBhIHNlY3JldCB0byBldmVyeWJvZHk=";
        assert_eq!(scheme(&standard, body, key), Some(STANDARD_WEBHOOKS));
    }

    #[test]
    fn notations_and_digests_of_other_makers() {
        // Computed with `openssl dgst -sha1`, `-sha384` and `-sha256`, `-hmac`.
        let (body, secret) = (r#"{"a":1}"#, "It's a secret to everybody");
        for (name, value) in [
            (
                "x-hub-signature",
                "sha1=bc8cb257c468723fc70a247a82efe418e9fbbdb4",
            ),
            (
                "x-signature",
                "fe60cb5152f19dab53f0e92e723c27e6b839e3784da39c5d94af0531fc33d8057bbf922f9a14be01ddd60569c3820dc2",
            ),
            (
                "x-signature",
                "sha256:0890928cf67984eedf51f8a1df6cbc2adeb805ca96a630a92ea4b6ee9c709a05",
            ),
            (
                "authorization",
                "HMAC keyId=\"k\", signature=\"0890928cf67984eedf51f8a1df6cbc2adeb805ca96a630a92ea4b6ee9c709a05\"",
            ),
        ] {
            assert_eq!(
                scheme(&[(name, value)], body, secret),
                Some(BODY),
                "{value}"
            );
        }
        let timed = [
            ("x-time", "1700000000"),
            (
                "x-signature",
                "cb10f07c2c9ff4be4ab69136cb6d498a9b613c62082abb58d62fbde8a7e91474",
            ),
        ];
        assert_eq!(scheme(&timed, body, secret), Some(TIMED_BODY));
    }

    #[test]
    fn what_proves_nothing() {
        let secret = "It's a secret to everybody";
        for headers in [
            [("x-iii-signature", "sha256=")],
            [("x-iii-signature", "")],
            [("authorization", secret)],
            [(
                "x-iii-signature",
                "sha256=0000000000000000000000000000000000000000000000000000000000000000",
            )],
        ] {
            assert_eq!(scheme(&headers, "{}", secret), None, "{headers:?}");
        }
    }

    #[test]
    fn no_request_keeps_the_suite_busy() {
        let (secret, body) = ("It's a secret to everybody", "x".repeat(1 << 20));
        let times = "100000000,".repeat(6_000);
        let signature = |length: usize| hex::encode(vec![7; length]);
        let signatures = [20, 32, 48, 64].map(signature).join(",");
        let headers = [("x-time", &*times), ("x-signature", &*signatures)];
        let asked = request(&headers, &body);
        let mut left = SIGNED_BYTES_MAX;
        let texts = signed_texts(&asked);
        assert_eq!(texts.len(), 1 + 5 * TIMES_MAX);
        let tags = texts.iter();
        let tags = tags.flat_map(|it| it.tags(&ALGORITHMS, secret, &mut left));
        assert!(tags.count() <= SIGNED_BYTES_MAX >> 20);
        assert_eq!(proofs(&asked, &variables(secret)), []);
    }

    #[test]
    fn values_are_found_wherever_they_stand() {
        let value = "a secret of some length";
        let revealed = |headers: &[(&str, &str)], body: &str| {
            reveals(&request(headers, body), &variables(value)).len()
        };
        assert_eq!(revealed(&[("x", "nothing")], "{}"), 0);
        assert_eq!(revealed(&[("x", &format!("Bearer {value}"))], "{}"), 1);
        assert_eq!(revealed(&[], &format!("{{\"s\":\"{value}\"}}")), 1);
        assert_eq!(revealed(&[("x", &BASE64_STANDARD.encode(value))], ""), 1);
        assert_eq!(revealed(&[("x", &hex::encode(value))], ""), 1);
    }
}
