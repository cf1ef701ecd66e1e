//! What faults ask of requests to endpoints, and do to them.

use std::collections::BTreeSet;

use reference::core::{EndpointUrl, HeaderText, HttpRequest};
use serde_json::Value;

use crate::{
    Alter,
    frames::is_registration,
    with::{hearing, requesting},
};

/// Alters requests, which are made all the same.
pub(super) fn altering(mut with: impl FnMut(&mut HttpRequest) + Send) -> impl Alter {
    requesting(move |request| {
        with(request);
        true
    })
}

/// Alters the `invocation` of registrations.
pub(super) fn registering(mut with: impl FnMut(&mut Value) + Send) -> impl Alter {
    hearing(move |heard| {
        if is_registration(&heard.frame)
            && let Some(invocation) = heard.frame.get_mut("invocation")
        {
            with(invocation);
        }
    })
}

/// Alters requests that have a header, whose value is given.
pub(super) fn with_header(
    name: &'static str,
    mut with: impl FnMut(&mut HttpRequest, String) + Send,
) -> impl Alter {
    requesting(move |request| {
        if let Some(value) = header(request, name).map(str::to_owned) {
            with(request, value);
        }
        true
    })
}

/// Sends a header with the first request of a function alone.
pub(super) fn first_only(name: &'static str) -> impl Alter {
    let mut made = BTreeSet::new();
    with_header(name, move |request, _| {
        if !made.insert(called(request)) {
            remove_header(request, name);
        }
    })
}

pub(super) fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(it, _)| it.eq_ignore_ascii_case(name))?;
    Some(text(value))
}

fn text(value: &HeaderText) -> &str {
    match value {
        HeaderText::Plain(text) => text,
        HeaderText::Secret(secret) => secret.expose(),
    }
}

/// Gives a header a value, whether it was there or not.
pub(super) fn set_header(request: &mut HttpRequest, name: &str, value: impl Into<String>) {
    remove_header(request, name);
    let value = HeaderText::Plain(value.into());
    request.headers.push((name.to_owned(), value));
}

pub(super) fn remove_header(request: &mut HttpRequest, name: &str) {
    let headers = &mut request.headers;
    headers.retain(|(it, _)| !it.eq_ignore_ascii_case(name));
}

/// The function that is called.
pub(super) fn called(request: &HttpRequest) -> String {
    header(request, "x-iii-Function-Path")
        .unwrap_or_default()
        .to_owned()
}

/// Whether a header is the registration's own, and none of the engine's.
pub(super) fn is_custom(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let own = ["content-type", "authorization", "traceparent", "baggage"];
    !name.starts_with("x-iii-") && !own.contains(&name.as_str())
}

pub(super) fn url(request: &HttpRequest) -> String {
    request.url.expose().as_str().to_owned()
}

/// Sends a request elsewhere; where that is no address, it goes where it went.
pub(super) fn redirect(request: &mut HttpRequest, to: &str) {
    if let Ok(url) = EndpointUrl::new(to) {
        request.url = url;
    }
}
