//! Whether a request proves that its sender has a secret, and whether it gives one away.
//!
//! The documents ask for an HMAC and do not say of what nor where. So any header counts that
//! holds an HMAC, under the secret, of something with this very body in it.

use std::collections::BTreeMap;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use ring::hmac::{
    self, Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512,
};

use super::Received;

const III: &str = "the iii scheme";
const BODY: &str = "a signature of the body";
const STANDARD_WEBHOOKS: &str = "Standard Webhooks";
const TIMED_BODY: &str = "a signature of a time and the body";

/// Shorter values occur by chance.
pub(super) const VALUE_BYTES_MIN: usize = 8;

/// A header that proves possession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// Whose value is the secret.
    pub(super) variable: String,
    pub(super) scheme: &'static str,
    pub(super) header: String,
}

/// Every proof that a request holds.
pub(super) fn proofs(request: &Received, variables: &BTreeMap<String, String>) -> Vec<Proof> {
    let texts = signed_texts(request);
    let mut found = Vec::new();
    for (header, value) in &request.headers {
        let signatures = signatures_in(value);
        for (variable, secret) in variables {
            let proven = texts.iter().find(|(_, text)| {
                signatures
                    .iter()
                    .any(|signature| verifies(secret, text, signature))
            });
            found.extend(proven.map(|(scheme, _)| Proof {
                variable: variable.clone(),
                scheme,
                header: header.clone(),
            }));
        }
    }
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
    let sign = |text: &[u8]| {
        let key = hmac::Key::new(HMAC_SHA256, secret.as_bytes());
        hex::encode(hmac::sign(&key, text))
    };
    let mut ways = vec![format!(
        "x-hub-signature-256: sha256={} (HMAC-SHA256 of the body)",
        sign(&request.body)
    )];
    let signed = signed_texts(request);
    if let Some((_, text)) = signed.iter().find(|(scheme, _)| *scheme == III) {
        ways.push(format!(
            "x-iii-signature: sha256={} (HMAC-SHA256 of the value of x-iii-timestamp, `:` and \
             the base64 of the body)",
            sign(text)
        ));
    }
    format!(
        "with the value of {variable}, `{secret}`, proof would have been: {}",
        ways.join("; or ")
    )
}

/// What a signature may be of, by scheme.
fn signed_texts(request: &Received) -> Vec<(&'static str, Vec<u8>)> {
    let body = &request.body;
    let header = |name: &str| request.headers.get(name);
    let before_body = |before: String| [before.as_bytes(), body].concat();
    let mut texts = vec![(BODY, body.clone())];
    if let Some(time) = header("x-iii-timestamp") {
        let text = format!("{time}:{}", BASE64_STANDARD.encode(body));
        texts.push((III, text.into_bytes()));
    }
    for maker in ["webhook", "svix"] {
        let part = |name: &str| header(&format!("{maker}-{name}"));
        if let (Some(id), Some(time)) = (part("id"), part("timestamp")) {
            texts.push((STANDARD_WEBHOOKS, before_body(format!("{id}.{time}."))));
        }
    }
    for time in request.headers.values().flat_map(|it| times_in(it)) {
        for before in [
            time.to_owned(),
            format!("{time}."),
            format!("{time}:"),
            format!("{time}\n"),
            format!("v0:{time}:"),
        ] {
            texts.push((TIMED_BODY, before_body(before)));
        }
    }
    texts
}

/// Numbers such as Unix times, also as a parameter: `t=1700000000`.
fn times_in(value: &str) -> impl Iterator<Item = &str> {
    value
        .split([',', ';', ' ', '='])
        .filter(|part| part.len() >= 9 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What in a header may be a signature: hexadecimal or base64, behind a prefix or not.
fn signatures_in(value: &str) -> Vec<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let url_safe = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let is_mac = |bytes: &Vec<u8>| algorithm(bytes).is_some();
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

/// Each has a length of its own.
fn algorithm(signature: &[u8]) -> Option<Algorithm> {
    Some(match signature.len() {
        20 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        32 => HMAC_SHA256,
        48 => HMAC_SHA384,
        64 => HMAC_SHA512,
        _ => return None,
    })
}

/// Standard Webhooks writes its secrets in base64, behind `whsec_`.
fn verifies(secret: &str, text: &[u8], signature: &[u8]) -> bool {
    let Some(algorithm) = algorithm(signature) else {
        return false;
    };
    let decoded = BASE64_STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
        .ok();
    [Some(secret.as_bytes().to_vec()), decoded]
        .into_iter()
        .flatten()
        .any(|key| hmac::verify(&hmac::Key::new(algorithm, &key), text, signature).is_ok())
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
