//! Pages that say one thing: that there is nothing here, that something is refused, that
//! something went wrong; and the one that asks for the token.

use askama::Template;

use super::frame::PageFrame;

/// A page with one message, in the look of the others. It tells nothing about the
/// controller.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn message(title: &str, text: &str) -> askama::Result<String> {
    let frame = PageFrame::bare(title);
    MessagePage { frame, title, text }.render()
}

/// The page that asks for the token. `back` is where to go then; `why` is what was wrong
/// with the last try.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn login(back: &str, why: Option<&str>) -> askama::Result<String> {
    let frame = PageFrame::bare("Log in");
    LoginPage { frame, back, why }.render()
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    frame: PageFrame<'a>,
    title: &'a str,
    text: &'a str,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: PageFrame<'a>,
    back: &'a str,
    why: Option<&'a str>,
}
