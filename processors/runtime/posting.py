"""HTTP that follows no redirection: what is posted is for the address that was given, and to nobody else.

Of 301 to 303 urllib would make a GET without the body, the headers (a key among them) with it; its answer would pass for one to
what was posted.
"""

import urllib.request
from typing import Any


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        """Return no request, so that the redirection is an HTTPError."""
        return


OPENER = urllib.request.build_opener(_Stays)
