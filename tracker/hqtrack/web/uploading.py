"""How a browser sends the files that were picked."""

from __future__ import annotations

_SCRIPT = """(async () => {
const files = getHtmlElement(%(input)d).querySelector('input').files;
const total = [...files].reduce((sum, file) => sum + file.size, 0);
let sent = 0;
for (const file of files) {
  const answer = await new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open('POST', '/upload/%(name)s?file=' + encodeURIComponent(file.name));
    request.upload.onprogress =
      (event) => emitEvent('%(event)s-sent', (sent + event.loaded) / Math.max(1, total));
    request.onload = () => done(request.status < 300 ? '' : request.responseText || 'refused');
    request.onerror = () => done('the upload was cut off: try again');
    request.send(file);
  });
  if (answer) { emitEvent('%(event)s-refused', answer); return; }
  sent += file.size;
}
emitEvent('%(event)s-uploaded', files.length ? files[0].name : '');
})()"""


def upload_script(element: int, name: str, event: str) -> str:
    """Return a script that uploads the files picked in an element.

    Args:
        element: Its id; it holds an `input`.
        name: Of the upload; see `hqtrack.web.uploads.Uploads.expect`.
        event: Beginning of the events that come: `-sent` with a share, then `-refused` with a message or
            `-uploaded` with the name of the first file.
    """
    return _SCRIPT % {"input": element, "name": name, "event": event}
