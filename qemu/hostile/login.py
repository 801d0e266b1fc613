"""The Login Phase as a target leads it that does everything right (RFC 7143 sections 6.2, 6.3, 12.1 and 13)."""

import base64
import hashlib
from dataclasses import dataclass, field

SECURITY, OPERATIONAL, FULL_FEATURE = 0, 1, 3

# What the target wants where a case does not say: so that a write of 64 KiB takes immediate data and R2Ts.
DEFAULTS = {"InitialR2T": "Yes", "FirstBurstLength": "16384"}

# What an initiator declares, and nobody answers.
DECLARED = ("MaxRecvDataSegmentLength", "InitiatorName", "InitiatorAlias", "TargetName", "SessionType")

# By the number in CHAP_A.
HASHES = {5: "md5", 6: "sha1", 7: "sha256", 8: "sha3_256"}


@dataclass
class Chap:
    """How the target authenticates: with one algorithm, in one encoding, and itself too if it has a secret."""

    algorithm: int
    encoding: str = "hex"
    user: str = "machine-room"
    secret: str = "our-secret-phrase"
    peer: str = ""
    peer_secret: str = ""
    challenge: bytes = bytes(range(100, 140))
    identifier: int = 77
    # What the last step ended with, for cases.
    done: bool = False

    def encode(self, data: bytes) -> str:
        return "0b" + base64.b64encode(data).decode() if self.encoding == "base64" else "0x" + data.hex()

    def hash(self, identifier: int, secret: str, challenge: bytes) -> bytes:
        return hashlib.new(HASHES[self.algorithm], bytes([identifier]) + secret.encode() + challenge).digest()


def decode(value: str) -> bytes:
    """A hexadecimal or base64 constant."""
    return base64.b64decode(value[2:]) if value[:2] in ("0b", "0B") else bytes.fromhex(value[2:])


@dataclass
class Refused(Exception):
    """The login ends with this status."""

    status: int


@dataclass
class Login:
    """One login: what the target agrees to, and what came of it."""

    # The target's side of each negotiation.
    values: dict[str, str]
    # What it declares to receive.
    declared: int
    chap: Chap | None = None
    # Keys that the target proposes or declares by itself, in the operational stage.
    proposals: dict[str, str] = field(default_factory=dict)
    offered: dict[str, str] = field(default_factory=dict)
    agreed: dict[str, str] = field(default_factory=dict)
    discovery: bool = False
    asked: bool = False

    def security(self, keys: dict[str, str]) -> tuple[dict[str, str], bool]:
        """The answer to keys of the security stage, and whether the stage may end."""
        answer: dict[str, str] = {}
        if "InitiatorName" in keys:
            self.discovery = keys.get("SessionType") == "Discovery"
            if not self.discovery:
                answer["TargetPortalGroupTag"] = "1"
        if self.chap is None:
            if "AuthMethod" in keys:
                answer["AuthMethod"] = "None" if "None" in keys["AuthMethod"] else "Reject"
            return answer, answer.get("AuthMethod") != "Reject"
        if "AuthMethod" in keys:
            if "CHAP" not in keys["AuthMethod"]:
                raise Refused(0x0201)
            return answer | {"AuthMethod": "CHAP"}, False
        if "CHAP_A" in keys:
            if str(self.chap.algorithm) not in keys["CHAP_A"].split(","):
                raise Refused(0x0201)
            challenge = self.chap.encode(self.chap.challenge)
            return answer | {"CHAP_A": str(self.chap.algorithm), "CHAP_I": str(self.chap.identifier), "CHAP_C": challenge}, False
        if "CHAP_R" in keys:
            right = self.chap.hash(self.chap.identifier, self.chap.secret, self.chap.challenge)
            if keys.get("CHAP_N") != self.chap.user or decode(keys["CHAP_R"]) != right:
                raise Refused(0x0201)
            self.chap.done = True
            if "CHAP_C" in keys and self.chap.peer_secret:
                proof = self.chap.hash(int(keys["CHAP_I"]), self.chap.peer_secret, decode(keys["CHAP_C"]))
                answer |= {"CHAP_N": self.chap.peer, "CHAP_R": self.chap.encode(proof)}
        return answer, self.chap.done

    def operational(self, keys: dict[str, str]) -> tuple[dict[str, str], bool]:
        """The answer to keys of the operational stage, and whether the stage may end."""
        self.offered |= keys
        answer = {"TargetPortalGroupTag": "1"} if keys.get("SessionType") == "Normal" else {}
        for key, value in keys.items():
            if key in DECLARED or key in self.proposals:
                continue
            answer[key] = self.agreed[key] = self._choose(key, value)
        if not self.asked:
            self.asked = True
            answer |= {"MaxRecvDataSegmentLength": str(self.declared)} | self.proposals
            return answer, not self.proposals
        return answer, True

    def _choose(self, key: str, value: str) -> str:
        ours = self.values.get(key, DEFAULTS.get(key))
        match key:
            case "HeaderDigest" | "DataDigest":
                return ours if ours in value.split(",") else "None"
            case "InitialR2T" | "DataPDUInOrder" | "DataSequenceInOrder":
                return "Yes" if "Yes" in (value, ours) else "No"
            case "ImmediateData":
                return "No" if "No" in (value, ours) else "Yes"
            case "DefaultTime2Wait":
                return str(max(int(value), int(ours or 0)))
            case _ if value.isdigit():
                return str(min(int(value), int(ours or value)))
        return "NotUnderstood"
