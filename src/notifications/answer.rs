//! An answer over HTTP: what of it is kept.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::error::{Receipt, SendError};
use super::escape::{plain, short};

/// Bytes of an answer that are read.
const READ: usize = 4 << 10;

/// Bytes of it that are shown.
const SHOWN: usize = 200;

/// A longer wait is a mistake.
const WISH_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// What an answer means. Of a body that does not end only the beginning is read.
pub(super) async fn read(mut response: Response, to: &str) -> Result<Receipt, SendError> {
    let status = response.status();
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let mut body = Vec::new();
    // The status says it; a body that breaks off takes nothing back.
    while body.len() < READ
        && let Ok(Some(piece)) = response.chunk().await
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(READ);
    let answer = line(status, &String::from_utf8_lossy(&body));
    if status.is_success() {
        return Ok(Receipt { answer });
    }
    Err(SendError::Refused {
        to: to.to_owned(),
        answer,
        retry_after,
        hint: hint(status),
    })
}

/// The status with the beginning of the text, unless that is a page.
fn line(status: StatusCode, body: &str) -> String {
    let words: Vec<&str> = body.split_whitespace().collect();
    let text = words.join(" ");
    match text.starts_with('<') {
        _ if text.is_empty() => status.to_string(),
        true => format!("{status} with an HTML page"),
        false => format!("{status}: {}", short(&plain(&text), SHOWN)),
    }
}

fn hint(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        300..=399 => "it redirects, which is not followed: configure the address it leads to",
        401 | 403 => "check the token, the password or the secret",
        404 | 410 => "check the URL; the receiver does not know it",
        413 => "the receiver takes smaller messages only",
        429 => "it asks for patience; this is tried again later",
        _ => return None,
    })
}

/// The wish in a `Retry-After` header: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = match value.parse::<f64>() {
        // Discord gives fractions of a second.
        Ok(seconds) if seconds >= 0.0 => Duration::try_from_secs_f64(seconds).unwrap_or(WISH_MOST),
        Ok(_) => return None,
        Err(_) => httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wish.min(WISH_MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_seconds_or_a_date_and_never_more_than_a_day() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, seconds) in [
            ("120", Some(120.0)),
            ("0.5", Some(0.5)),
            ("-3", None),
            ("nan", None),
            ("1e300", Some(86_400.0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60.0)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0.0)),
            ("later", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            let wish = retry_after(&headers, now);
            assert_eq!(wish.map(|wish| wish.as_secs_f64()), seconds, "{value}");
        }
    }

    #[test]
    fn an_answer_is_one_line() {
        let status = StatusCode::BAD_REQUEST;
        assert_eq!(line(status, ""), "400 Bad Request");
        assert_eq!(
            line(status, "no\n such\tteam"),
            "400 Bad Request: no such team"
        );
        assert_eq!(line(status, " <html>"), "400 Bad Request with an HTML page");
        assert!(line(status, &"x".repeat(4000)).len() < 230);
    }
}
