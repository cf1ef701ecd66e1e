//! Why a request failed, in words of which none is the endpoint's: what it writes may repeat a
//! credential, and these words are logged.

use std::{error::Error, io, iter::successors, time::Duration};

use rustls::CertificateError;

use crate::lookup::LookUpError;

#[derive(Debug, thiserror::Error)]
#[error("the address is not one that may be called")]
pub(crate) struct NotAllowed;

/// The reasons that are known to hold no more than they should, from the general to the exact.
pub(crate) fn in_words(error: &reqwest::Error, connect_time_max: Duration) -> String {
    let first: &(dyn Error + 'static) = error;
    let known: Vec<String> = successors(Some(first), |error| (*error).source())
        .filter_map(known)
        .collect();
    if !known.is_empty() {
        known.join(": ")
    } else if error.is_timeout() {
        let ms = connect_time_max.as_millis();
        format!("no connection was made within {ms} ms")
    } else {
        "the request could not be made".to_owned()
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(of_system(error));
    }
    // It shows a fixed text, not what it wraps: of HTTP/2 that would be the peer's own words.
    let http = error
        .downcast_ref::<hyper::Error>()
        .map(ToString::to_string);
    let name = || error.downcast_ref::<LookUpError>().map(ToString::to_string);
    let address = || error.downcast_ref::<NotAllowed>().map(ToString::to_string);
    http.or_else(name).or_else(address)
}

fn of_system(error: &io::Error) -> String {
    let Some(inner) = error.get_ref() else {
        return error.to_string();
    };
    if let Some(inner) = inner.downcast_ref::<io::Error>() {
        of_system(inner)
    } else if let Some(inner) = inner.downcast_ref::<rustls::Error>() {
        of_tls(inner)
    } else {
        error.kind().to_string()
    }
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem).to_owned(),
        error => error.to_string(),
    }
}

/// Without the names that stand in it.
fn of_certificate(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::UnknownIssuer => "the certificate is of no authority that is trusted",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        _ => "the certificate is not valid",
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn of_a_certificate_nothing_is_repeated() {
        let problem = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("here.test").unwrap(),
            presented: vec!["s3cret.test".to_owned()],
        };
        let error = rustls::Error::InvalidCertificate(problem);
        assert!(error.to_string().contains("s3cret.test"));
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        assert_eq!(of_system(&wrapped), "the certificate is for another name");
    }

    #[test]
    fn of_an_unknown_fault_only_the_kind_is_told() {
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "s3cret");
        assert_eq!(of_system(&error), "unexpected end of file");
    }
}
