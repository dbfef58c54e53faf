"""Certificates made by openssl for end-to-end tests, as docs/tls.md tells people to."""

import os
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    """A CA in `folder`; it signs certificates there."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.certificate = os.path.join(folder, name + ".pem")
        self.key = os.path.join(folder, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "30", "-subj", "/CN=" + name, "-keyout", self.key,
                "-out", self.certificate)

    def sign(self, name, subject, san=None, days=30):
        """(certificate, key) in files of that name; `san` such as IP:127.0.0.1,DNS:localhost."""
        certificate = os.path.join(self.folder, name + ".pem")
        key = os.path.join(self.folder, name + ".key")
        request = os.path.join(self.folder, name + ".csr")
        extensions = os.path.join(self.folder, name + ".ext")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", subject, "-keyout", key, "-out", request)
        with open(extensions, "w") as file:
            file.write("subjectAltName=" + san if san else "basicConstraints=CA:FALSE")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-extfile", extensions,
                "-out", certificate)
        return certificate, key
