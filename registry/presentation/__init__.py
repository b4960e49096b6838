"""Answers of a registry in words: rows, score lines, trees and sentences, the same in the terminal and on the page."""
