"""Reads configurations, for commands. To import it imports TensorFlow, without its messages."""

from wss.configuration import quiet as quiet
